import type { Authority } from "@allium/directory";
import type { Fingerprint } from "@allium/netdoc";

/** Which relays may be connected to. */
export interface ReachabilityConfig {
  /** Whether guards may be reached over IPv4 (torrc `ClientUseIPv4`). @default true */
  readonly ipv4?: boolean;
  /** Whether guards may be reached over IPv6 (torrc `ClientUseIPv6`). @default true */
  readonly ipv6?: boolean;
  /** Which to try first where a guard has both (torrc `ClientPreferIPv6ORPort`). @default "ipv4" */
  readonly prefer?: "ipv4" | "ipv6";
  /** The only ports that a firewall lets through (torrc `FirewallPorts`). @default all */
  readonly ports?: ReadonlySet<number>;
}

/** Which relays may be in paths. */
export interface PathConfig {
  /** Relays for no position at all (torrc `ExcludeNodes`). @default none */
  readonly exclude?: ReadonlySet<Fingerprint>;
  /** Relays that are no exits (torrc `ExcludeExitNodes`). @default none */
  readonly excludeExits?: ReadonlySet<Fingerprint>;
  /**
   * Whether no two relays of a path may be in one /16 of IPv4, or /32 of IPv6 (torrc `EnforceDistinctSubnets`). @default true, but not
   * in a test network
   */
  readonly distinctSubnets?: boolean;
}

/** How tunnels are used. */
export interface TunnelConfig {
  /** For how long after its first stream a tunnel gets new ones, in milliseconds (torrc `MaxCircuitDirtiness`). @default 10 minutes */
  readonly maxDirtinessMillis?: number;
  /** How long whoever wants a stream waits for it, in milliseconds (torrc `SocksTimeout`). @default 2 minutes */
  readonly requestTimeoutMillis?: number;
  /** Ports for which tunnels are built before anybody asks. @default 443 */
  readonly expectedPorts?: ReadonlyArray<number>;
  /** Streams that are open or asked for at once, in all tunnels. @default 4096 */
  readonly maxStreams?: number;
  /** Tunnels that are there at once. @default 256 */
  readonly maxTunnels?: number;
}

/** Whether and how streams are spread over several circuits (proposal 329). */
export interface ConfluxConfig {
  /** `auto`: if the consensus enables it; true: also if it does not. Exits have to offer it too. @default "auto" */
  readonly enabled?: boolean | "auto";
  /**
   * What exits are asked for: to keep to the circuit that answers first, or to use all of them; either with few cells that wait to be put
   * in order here, or with more and faster; or no wish (torrc `ConfluxClientUX`). @default "throughput"
   */
  readonly ux?: "throughput" | "latency" | "throughput-low-memory" | "latency-low-memory" | "none";
  /**
   * Whether streams outlive the loss of one of their circuits, where the exit can do it too. An extension of Allium's; who uses it
   * tells the exit that it is no `tor`. @default false
   */
  readonly resumption?: boolean;
}

/** What a client is configured with. */
export interface TorClientConfig {
  /** Where the consensus, the guards and what else was learned are kept; it is made if it is not there. One client at a time. */
  readonly dataDir: string;
  /** Whom to trust. @default those of the public network */
  readonly authorities?: ReadonlyArray<Authority>;
  /** As tor's `TestingTorNetwork`: short delays, all relays may be on one computer, private addresses may be reached. @default false */
  readonly testNetwork?: boolean;
  readonly reachability?: ReachabilityConfig;
  readonly paths?: PathConfig;
  readonly tunnels?: TunnelConfig;
  readonly conflux?: ConfluxConfig;
  /** Whether addresses of private networks are refused, also as answers of exits (torrc `ClientRejectInternalAddresses`). @default true, but not in a test network */
  readonly rejectPrivate?: boolean;
  /** Bytes that may wait in all buffers together. @default 256 MiB */
  readonly maxMemoryBytes?: number;
}
