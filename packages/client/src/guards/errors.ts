import type { Fingerprint, UnixMillis } from "@allium/netdoc";

/** Why there is no guard; see {@link NoGuardError}. */
export type NoGuardReason =
  /** No consensus was seen, so nothing is known of any guard. */
  | "no-consensus"
  /** The consensus lists no relay that can be a guard, or the sample may not grow. */
  | "none-sampled"
  /** The configuration allows none of the sampled guards, or the consensus lists none of them any more. */
  | "all-filtered"
  /** What this circuit wants (its exit, the other leg's guard) rules out all that the configuration allows. */
  | "all-restricted"
  /** All that may be used were tried and are down; see `retryAt`. */
  | "all-down"
  /** The microdescriptors of the guards to be used are not there yet; see `missing`. */
  | "missing-descriptors"
  /** Too many circuits' guards are remembered already. */
  | "too-many-circuits";

const words: Readonly<Record<NoGuardReason, string>> = {
  "no-consensus": "there is no consensus yet",
  "none-sampled": "the consensus lists no guards that the configuration allows",
  "all-filtered": "the configuration allows none of the sampled guards, or they are listed no more",
  "all-restricted": "no guard goes together with the rest of the path",
  "all-down": "all guards are down",
  "missing-descriptors": "the guards' microdescriptors are not there yet",
  "too-many-circuits": "too many circuits are being built",
};

/** How many guards were left after each step of a choice, from all that are sampled to those that could be used. */
export interface GuardCounts {
  readonly sampled: number;
  /** Of these, those that are listed and that the configuration allows (FILTERED_GUARDS). */
  readonly filtered: number;
  /** Of these, those that the circuit's restrictions leave. */
  readonly permitted: number;
  /** Of these, those that are not known to be down. */
  readonly usable: number;
}

/** There is no guard to give out. */
export class NoGuardError extends Error {
  readonly _tag = "NoGuardError";
  readonly reason: NoGuardReason;
  readonly counts: GuardCounts;
  /** When it is worth asking again, if nothing else changes; undefined if time alone will not help. */
  readonly retryAt: UnixMillis | undefined;
  /** The guards whose microdescriptors are to be fetched. */
  readonly missing: ReadonlyArray<Fingerprint>;

  constructor(
    reason: NoGuardReason,
    counts: GuardCounts,
    more: { readonly retryAt?: UnixMillis | undefined; readonly missing?: ReadonlyArray<Fingerprint> } = {},
  ) {
    const until = more.retryAt === undefined ? "" : `; next attempt at ${new Date(more.retryAt).toISOString()}`;
    super(`no guard: ${words[reason]}${until}`);
    this.reason = reason;
    this.counts = counts;
    this.retryAt = more.retryAt;
    this.missing = more.missing ?? [];
  }
}

/** What is wrong with a stored state as a whole; see {@link GuardStateError}. */
export type GuardStateProblem =
  /** The text is longer than `GUARD_STATE_LIMIT_BYTES`. */
  | "too-large"
  /** The text is not JSON. */
  | "not-json"
  /** It is something else than an object with a version and samples. */
  | "bad-shape"
  /** It was written by a version of this program that is newer than this one. */
  | "unknown-version";

/** A stored state that cannot be used at all. */
export class GuardStateError extends Error {
  readonly _tag = "GuardStateError";
  readonly problem: GuardStateProblem;

  constructor(problem: GuardStateProblem, detail: string) {
    super(`stored guards: ${detail}`);
    this.problem = problem;
  }
}
