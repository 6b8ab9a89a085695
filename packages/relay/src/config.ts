import { DEFAULT_MAX_CONNECTIONS, type Endpoint } from "@allium/channel";
import { DEFAULT_MAX_CIRCUITS } from "@allium/circuit";
import { DEFAULT_MAX_SETS } from "@allium/conflux";
import type { Authority } from "@allium/directory";
import { ExitPolicy } from "@allium/netdoc";
import type { DosConfig } from "./defence/index.ts";
import { MAX_EXIT_STREAMS, MAX_STREAMS_PER_CIRCUIT } from "./exit/limits.ts";
import type { MetricsConfig } from "./metrics/index.ts";

/** What a relay does for streams that end at it. */
export interface ExitConfig {
  /** Whether it connects to the outside at all. */
  readonly enabled: boolean;
  /** Rules in the syntax of torrc's `ExitPolicy`, before the default policy. Already checked to be well formed. */
  readonly policy: ReadonlyArray<string>;
  /** Whether private networks, and the relay's own addresses, are refused before any rule is asked. */
  readonly rejectPrivate: boolean;
  /** Whether IPv6 destinations are permitted. */
  readonly ipv6: boolean;
  /** Name servers to ask, as `address` or `address:port`; if there are none, those that {@link resolvConf} names. */
  readonly nameServers: ReadonlyArray<string>;
  /** A file in the format of resolv.conf(5). */
  readonly resolvConf: string;
}

/** Bounds on what peers and clients may make the relay hold. */
export interface LimitsConfig {
  /** Incoming connections altogether, those whose TLS handshake is under way included. */
  readonly maxConnections: number;
  /** Connections that the relay opens to others. */
  readonly maxOutgoingConnections: number;
  /** Incoming connections from one address that have not proved to be a relay's. */
  readonly maxConnectionsPerAddress: number;
  /** Circuits of all channels together; a channel may have as many as are left. */
  readonly maxCircuits: number;
  /** Streams of all circuits together, those that are being opened and look-ups among them; a circuit may have as many as are left. */
  readonly maxStreams: number;
  /** Open streams of one circuit. */
  readonly maxStreamsPerCircuit: number;
  /** Bytes that may wait for the destination of one stream before its circuit is no longer read. */
  readonly streamBufferBytes: number;
  /** Most cells that cross a link of the reactors as one item. */
  readonly maxTrain: number;
  /**
   * Bytes that may wait in all buffers together before those who hold the oldest are ended (torrc `MaxMemInQueues`); `undefined`:
   * what {@link memoryLimitFor} says of this machine.
   */
  readonly maxMemoryBytes: number | undefined;
}

/** What a relay does as a directory cache. */
export interface DirectoryCacheConfig {
  /** Whether it is one: it fetches all documents, and hands them on to clients (torrc `DirCache`). */
  readonly cache: boolean;
  /** Whether it has everybody's extra-info documents too (torrc `DownloadExtraInfo`). */
  readonly extraInfo: boolean;
}

/** Whether clients may link circuits into one tunnel here (torrc `ConfluxEnabled`), if it is an exit. */
export interface ConfluxRelayConfig {
  /** `auto`: what the consensus says. */
  readonly enabled: boolean | "auto";
  /** Sets of circuits that may be open at once. */
  readonly maxSets: number;
  /** Whether sets of Allium clients that offer it outlive the loss of a circuit (docs/decisions/0019-resumption.md). */
  readonly resumption: boolean;
}

/** What the relay carries, in bytes per second and in each direction. The descriptor says it. */
export interface BandwidthConfig {
  readonly rate: number;
  /** For a moment, after a pause. At least `rate`. */
  readonly burst: number;
  /** Whether channels are held to it (torrc `RelayBandwidthRate` and `RelayBandwidthBurst`), or it is only said. */
  readonly isLimit: boolean;
}

/**
 * Everything that an operator decides about a relay, checked and completed: what `runRelay` takes. Programs read it from
 * files; tests write it as a literal, with {@link defaultExit}, {@link defaultDirectory}, {@link defaultConflux},
 * {@link defaultLimits}, {@link defaultDos} and {@link defaultBandwidth}.
 */
export interface RelayConfig {
  /** 1 to 19 letters and digits. */
  readonly nickname: string;
  /** How to reach the operator; one line. */
  readonly contact: string | undefined;
  /** Where keys and caches are kept; an absolute path. */
  readonly dataDir: string;
  /** Where the relay listens for channels. */
  readonly orPort: Endpoint;
  /** Where others reach it, as its descriptor says. An IPv4 address. */
  readonly advertised: Endpoint;
  /** A private network: short intervals, and private addresses are as good as others (torrc `TestingTorNetwork`). */
  readonly testNetwork: boolean;
  /** Whom to trust about the network. Not empty. */
  readonly authorities: ReadonlyArray<Authority>;
  /** Relays of the same operator: nicknames, or `$` and a fingerprint. */
  readonly family: ReadonlyArray<string>;
  readonly bandwidth: BandwidthConfig;
  readonly exit: ExitConfig;
  readonly directory: DirectoryCacheConfig;
  readonly conflux: ConfluxRelayConfig;
  readonly limits: LimitsConfig;
  /** What is decided about floods in place of the consensus (torrc `DoS…`). */
  readonly dos: DosConfig;
  /** Where figures are served; nowhere if it is not said. */
  readonly metrics?: MetricsConfig | undefined;
}

const mebibyte = 1_048_576;

/** No exit; the default for everything else about exits. */
export const defaultExit: ExitConfig = {
  enabled: false,
  policy: [],
  rejectPrivate: true,
  ipv6: false,
  nameServers: [],
  resolvConf: "/etc/resolv.conf",
};

/** As `tor`'s: without it no authority gives V2Dir, and none Guard. */
export const defaultDirectory: DirectoryCacheConfig = { cache: true, extraInfo: false };

/** As `tor`'s. */
export const defaultConflux: ConfluxRelayConfig = { enabled: "auto", maxSets: DEFAULT_MAX_SETS, resumption: false };

/** Bounds for a machine of moderate size. */
export const defaultLimits: LimitsConfig = {
  maxConnections: DEFAULT_MAX_CONNECTIONS,
  maxOutgoingConnections: 16_384,
  maxConnectionsPerAddress: 100,
  maxCircuits: DEFAULT_MAX_CIRCUITS,
  maxStreams: MAX_EXIT_STREAMS,
  maxStreamsPerCircuit: MAX_STREAMS_PER_CIRCUIT,
  streamBufferBytes: 2 * mebibyte,
  maxTrain: 32,
  maxMemoryBytes: undefined,
};

/** As the consensus says. */
export const defaultDos: DosConfig = {};

/** What `tor` says if its operator says nothing, 1 GiB a second; and no limit. */
export const defaultBandwidth: BandwidthConfig = {
  rate: 1_024 * mebibyte,
  burst: 1_024 * mebibyte,
  isLimit: false,
};

/**
 * What an exit of this configuration permits; nothing, if it is none.
 *
 * @throws PolicyError if a rule is malformed
 */
export const exitPolicyOf = ({
  exit,
  advertised,
  orPort,
}: Pick<RelayConfig, "exit" | "advertised" | "orPort">): ExitPolicy =>
  exit.enabled
    ? ExitPolicy.ofOptions({
        rules: exit.policy,
        ipv6: exit.ipv6,
        rejectPrivate: exit.rejectPrivate,
        ownAddresses: [advertised.host, orPort.host],
      })
    : ExitPolicy.rejectAll;
