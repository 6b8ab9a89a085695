import type { Consensus, UnixMillis } from "@allium/netdoc";
import { MICRODESCRIPTORS_PER_LONG_REQUEST, MICRODESCRIPTORS_PER_REQUEST } from "./resources.ts";
import { type Draw, nextCacheFetch, nextClientFetch } from "./schedule.ts";

/** How somebody fetches: what differs between a directory cache and a client. */
export interface FetchPolicy {
  /** When to fetch the consensus that follows a given one. */
  readonly nextConsensus: (consensus: Consensus, draw: Draw) => UnixMillis;
  /** How many directories are asked for the same, right after one another, before they are left alone for a while. */
  readonly attempts: number;
  /** To how many directories connections may be made at the same time, while there is no consensus; the first one is asked. */
  readonly concurrentConnects: number;
  readonly microdescriptors: {
    /** How many are asked for at once, at most. */
    readonly perRequest: number;
    /** Among how many requests they are divided, so that they come from several directories, if there are enough of them. */
    readonly requests: number;
  };
}

/** Fewer microdescriptors than this are not worth a request of their own, as with tor. */
const FEWEST_PER_REQUEST = 32;

/** How many of so many microdescriptors are asked for at once. */
export const batchSize = ({ microdescriptors: { perRequest, requests } }: FetchPolicy, missing: number): number =>
  Math.min(perRequest, Math.max(FEWEST_PER_REQUEST, Math.ceil(missing / requests)));

/** Asks authorities, which are honest and few, and wants the consensus as soon as there is one (dir-spec 4.1, 4.3). */
const relayPolicy: FetchPolicy = {
  nextConsensus: nextCacheFetch,
  attempts: 1,
  concurrentConnects: 1,
  microdescriptors: { perRequest: MICRODESCRIPTORS_PER_REQUEST, requests: 1 },
};

/**
 * Asks caches, which may be gone or lie, over circuits, where no proxy minds long requests. Hurries as long as it knows nothing
 * (dir-spec 5.1, 5.2; tor's `ClientBootstrapConsensusMaxInProgressTries`).
 */
const clientPolicy: FetchPolicy = {
  nextConsensus: nextClientFetch,
  attempts: 3,
  concurrentConnects: 3,
  microdescriptors: { perRequest: MICRODESCRIPTORS_PER_LONG_REQUEST, requests: 3 },
};

/** Who fetches. */
export type DirectoryRole = "relay" | "client";

/** How each fetches. */
export const policies: Readonly<Record<DirectoryRole, FetchPolicy>> = { relay: relayPolicy, client: clientPolicy };
