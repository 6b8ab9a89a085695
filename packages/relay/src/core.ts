import { type ChannelManager, channelParams, type Entropy, layerChannelManager, Transport } from "@allium/channel";
import {
  congestionParams,
  flowParams,
  layerRelayCircuits,
  layerSingle,
  meaningOf,
  type RelayCircuits,
} from "@allium/circuit";
import { type ConfluxManager, confluxParams, layerConflux } from "@allium/conflux";
import { Memory, MemoryQuota, Signal } from "@allium/kernel";
import { ExitPolicy } from "@allium/netdoc";
import { type Context, Effect, Layer, type Scope } from "effect";
import { type BandwidthLimiter, makeBandwidthLimiter } from "./bandwidth/index.ts";
import type { RelayConfig } from "./config.ts";
import { currentDosParams, type Defences, machineMemory, makeDefences, memoryLimitFor } from "./defence/index.ts";
import { derived } from "./derived.ts";
import type { RelayDirectory } from "./directory.ts";
import { type ExitStatus, layerExit, NodeResolver } from "./exit/index.ts";
import { handshakeServerKeys, type RelayKeys } from "./keys/index.ts";
import type { CurrentLinkIdentity } from "./link-identity.ts";
import { CircuitCounts } from "./metrics/circuit-counts.ts";
import { ConnectionCounts } from "./metrics/connection-counts.ts";
import { networkAddresses, networkRelays, relayAddresses } from "./network-addresses.ts";
import { dnsParams, handshakeParams, refusesUnknownExits } from "./params.ts";
import type { Settings } from "./settings.ts";
import type { TrafficMeter } from "./traffic.ts";

/** What the channels and circuits of a relay stand on. */
export interface CoreParts {
  /** As they are now: what may change while the relay runs is asked anew each time. */
  readonly settings: () => Settings;
  readonly keys: () => RelayKeys;
  readonly linkIdentity: CurrentLinkIdentity;
  readonly directory: RelayDirectory;
  readonly traffic: TrafficMeter;
}

/** The channels, circuits and streams of a relay. */
export interface RelayCore {
  readonly services: Context.Context<ChannelManager | RelayCircuits | ConfluxManager | ExitStatus>;
  readonly bandwidth: BandwidthLimiter;
  readonly defences: Defences;
  readonly connectionCounts: ConnectionCounts;
  readonly circuitCounts: CircuitCounts;
  /** Notified at the end of each circuit. */
  readonly circuitEnded: Signal;
  /** New streams are refused from then on. */
  readonly refuseStreams: () => void;
}

/** What channels are held to, if they are. */
export const bandwidthLimits = ({ bandwidth }: RelayConfig) => (bandwidth.isLimit ? bandwidth : undefined);

/** How many bytes may wait in a relay. */
export const memoryLimit = ({ limits }: RelayConfig): number =>
  limits.maxMemoryBytes ?? memoryLimitFor(machineMemory());

/** Builds channels, circuits and exit, which live until the scope closes. */
export const makeCore = (parts: CoreParts): Effect.Effect<RelayCore, never, Transport | Entropy | Scope.Scope> =>
  Effect.gen(function* () {
    const { settings, keys, linkIdentity, directory, traffic } = parts;
    const { view, cache } = directory;
    // What can only be chosen at the start.
    const { limits, authorities, testNetwork } = settings().config;
    const param = (name: string) => view.current().params.raw(name);
    const context = yield* Effect.context<never>();
    const log = (effect: Effect.Effect<void>): void => {
      Effect.runForkWith(context)(effect);
    };
    const bandwidth = yield* makeBandwidthLimiter(bandwidthLimits(settings().config));
    const defences = yield* makeDefences({
      params: currentDosParams(
        () => view.current().consensus,
        () => settings().config.dos,
        param,
      ),
      isRelay: relayAddresses(view.current),
      maxConnections: () => limits.maxConnections,
      maxOutgoing: () => limits.maxOutgoingConnections,
    });
    const connectionCounts = new ConnectionCounts();
    const circuitCounts = new CircuitCounts();
    const circuitEnded = Signal.make();
    let accepting = true;

    const isKnownRelay = networkRelays(view.current);
    const exit = layerExit({
      policy: () => settings().policy,
      ipv6: () => settings().config.exit.ipv6,
      isNetworkAddress: networkAddresses(authorities, view.current),
      isKnownRelay: (relay) => !refusesUnknownExits(param) || isKnownRelay(relay),
      accepting: () => accepting,
      streamsOfCircuit: defences.streamsOfCircuit,
      onBound: defences.onStreamBound,
      bounds: { maxStreams: limits.maxStreams, maxStreamsPerCircuit: limits.maxStreamsPerCircuit },
      ...(cache === undefined ? {} : { beginDirectory: cache.begin }),
    }).pipe(
      Layer.provide(
        NodeResolver.layerChanging(() => {
          const { nameServers } = settings();
          return { ...dnsParams(param), ...(nameServers === undefined ? {} : { nameServers }) };
        }),
      ),
    );
    const channels = layerChannelManager({
      maxTrain: limits.maxTrain,
      ...channelParams(param, "relay"),
      local: () => ({ identity: linkIdentity.current(), addresses: [settings().config.advertised.host] }),
      maxPerAddress: limits.maxConnectionsPerAddress,
      // The defences bound them, and count those that they refuse; a listener drops them without a word.
      maxConnections: limits.maxConnections + DROPPED_ABOVE,
      // Those of all channels are bounded, and by how many are left those of each.
      maxCircuits: limits.maxCircuits,
      admit: defences.admitConnection,
      observer: {
        onOpen: (channel) => {
          connectionCounts.onOpen(channel);
          defences.onChannelOpen(channel);
        },
        onEnd: (channel, end) => {
          traffic.channels.forget(channel);
          defences.onChannelEnd(channel);
          log(Effect.logDebug(`channel ${channel.id} ended`, end));
        },
        onRefused: (remote, error) => {
          connectionCounts.onRefused(remote, error);
          defences.onConnectionRefused(error);
          log(Effect.logDebug("channel not opened", error));
        },
      },
    }).pipe(
      Layer.provide(
        Layer.effect(
          Transport,
          Effect.map(Transport, (transport) => defences.outgoing.limit(bandwidth.limit(transport))),
        ),
      ),
    );
    const circuitLimits = {
      maxTrain: limits.maxTrain,
      // The exit bounds them, and counts those that it refuses.
      maxStreams: STREAM_IDS,
      streamBufferBytes: limits.streamBufferBytes,
    };
    const circuits = layerRelayCircuits({
      keys: derived(keys, handshakeServerKeys),
      congestion: derived(
        () => view.current().params,
        (params) => congestionParams((name) => params.raw(name), "exit"),
      ),
      extendPolicy: derived(linkIdentity.current, ({ peer }) => ({
        self: peer,
        // Circuits are extended to public addresses only, outside of test networks.
        addressAllowed: (host: string) => testNetwork || ExitPolicy.acceptPublic.permits(host, 443),
      })),
      limits: circuitLimits,
      maxCircuits: () => limits.maxCircuits,
      admit: defences.admitCircuit,
      handshakes: handshakeParams(param),
      onEnd: (circuit, end) => {
        defences.onCircuitEnd(circuit, end);
        circuitCounts.onEnd(circuit, end);
        circuitEnded.notify();
        logEnd(log, circuit.name, end.cause);
      },
      onRefused: (reason) => {
        defences.onCircuitRefused(reason);
        log(Effect.logDebug("circuit refused", reason));
      },
    });
    const currentConflux = derived(
      () => view.current().params,
      (params) => confluxParams((name) => params.raw(name)),
    );
    const conflux = layerConflux({
      params: currentConflux,
      accepts: () => {
        const { conflux, exit } = settings().config;
        return exit.enabled && (conflux.enabled === "auto" ? currentConflux().enabled : conflux.enabled);
      },
      maxSets: () => settings().config.conflux.maxSets,
      resumption: () => settings().config.conflux.resumption,
      limits: circuitLimits,
    });
    const services = yield* Layer.build(
      circuits.pipe(
        Layer.provideMerge(conflux),
        Layer.provide(layerSingle({ role: "exit", flowParams: () => flowParams(param) })),
        Layer.provideMerge(exit),
        Layer.provideMerge(channels),
      ),
    );
    return {
      services,
      bandwidth,
      defences,
      connectionCounts,
      circuitCounts,
      circuitEnded,
      refuseStreams: () => {
        accepting = false;
      },
    };
  }).pipe(
    Effect.provideServiceEffect(
      Memory.Quota,
      Effect.sync(() => new MemoryQuota({ limit: memoryLimit(parts.settings().config) })),
    ),
  );

/** Connections that may be there at once because they are about to be refused. */
const DROPPED_ABOVE = 512;

/** Stream IDs that a circuit has. */
const STREAM_IDS = 0xffff;

/** One line for the end of a circuit, at the level that the table of ends gives it. */
const logEnd = (
  log: (effect: Effect.Effect<void>) => void,
  name: string,
  cause: Parameters<typeof meaningOf>[0],
): void => {
  const { level } = meaningOf(cause);
  if (level === "error") return log(Effect.logError(`${name} ended by a defect`, cause));
  // What a peer did wrong is its affair: it must not fill the log of an operator who cannot change it.
  log(Effect.logDebug(`${name} ended`, cause));
};
