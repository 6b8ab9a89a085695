import type { IpAddress } from "@allium/cell";
import type { OpenedStream, StreamAdmission, StreamOrigin, StreamRefusal } from "@allium/circuit";
import type { ExitPolicy } from "@allium/netdoc";
import type { Effect } from "effect";
import type { StreamBound } from "./counters.ts";
import type { LingerBounds } from "./linger-table.ts";
import type { ResolverCacheBounds } from "./resolver-cache.ts";

/** Bounds of an exit. */
export interface ExitBounds extends LingerBounds, ResolverCacheBounds {
  /** Streams of one circuit, look-ups among them; more are refused with RESOURCELIMIT. @default MAX_STREAMS_PER_CIRCUIT */
  readonly maxStreamsPerCircuit?: number;
  /** Streams of all circuits together. Of these and of the following a circuit may have as many as are left. @default MAX_EXIT_STREAMS */
  readonly maxStreams?: number;
  /** Streams of BEGIN_DIR. @default MAX_DIRECTORY_STREAMS */
  readonly maxDirectoryStreams?: number;
  /** Streams and look-ups that wait for a name. @default MAX_LOOKUPS */
  readonly maxLookups?: number;
  /** Attempts to connect that are under way. @default MAX_CONNECTING */
  readonly maxConnecting?: number;
}

/** What an exit may do. Functions are asked anew for each stream: what they answer may change with a new consensus. */
export interface ExitOptions {
  /** Which destinations are permitted; `ExitPolicy.rejectAll` if the relay is no exit. */
  readonly policy: () => ExitPolicy;
  /** Whether IPv6 destinations are used at all. Without it names are not asked for IPv6 addresses. */
  readonly ipv6: () => boolean;
  /** Whether a client may use this relay as its only hop. @default false */
  readonly allowSingleHop?: boolean;
  /**
   * Whether traffic may not go to an address and port because it is a relay's ORPort, or an authority's ORPort or DirPort: what
   * has left the network must not enter it again. Answer `false` for all if the consensus parameter `allow-network-reentry`
   * (param-spec) is 1. Addresses are in canonical text, IPv4 ones never inside IPv6. @default false for all
   */
  readonly isNetworkAddress?: (address: IpAddress, port: number) => boolean;
  /**
   * Whether a circuit comes through a relay that the network knows: to one that does not, this relay is the only hop that
   * follows the rules (param-spec, `refuseunknownexits`). @default true for all
   */
  readonly isKnownRelay?: (relay: NonNullable<StreamOrigin["peer"]>) => boolean;
  /** Whether new streams are opened: not any more when the relay is about to end. @default always */
  readonly accepting?: () => boolean;
  /** Made for each circuit, and asked for each of its BEGINs and RESOLVEs: see `StreamOpener.admit`. @default all are opened */
  readonly streamsOfCircuit?: () => () => StreamAdmission;
  /** Answers BEGIN_DIR. @default refuses with NOTDIRECTORY */
  readonly beginDirectory?: (origin: StreamOrigin) => Effect.Effect<OpenedStream, StreamRefusal>;
  /** Told of each stream or look-up that meets a bound. It must not block. */
  readonly onBound?: (bound: StreamBound) => void;
  /** Bounds other than those of `limits.ts`. */
  readonly bounds?: ExitBounds;
}
