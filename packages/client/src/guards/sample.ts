import type { Fingerprint, UnixMillis } from "@allium/netdoc";
import type { GuardFilter } from "./filter.ts";
import { type GuardRecord, SampledGuard } from "./guard.ts";
import { SAMPLE_LIMIT } from "./limits.ts";
import { type GuardParams, maxSampleSize } from "./params.ts";
import { backdate, type Uniform, WeightedDraw } from "./random.ts";
import type { GuardCandidate, GuardView } from "./view.ts";

/** Why a guard left the sample (guard-spec 4.1). */
export type RemovalReason = "unlisted-too-long" | "never-used" | "lifetime-over";

/** A guard that left the sample. */
export interface RemovedGuard {
  readonly fingerprint: Fingerprint;
  readonly reason: RemovalReason;
}

/** What a guard's dates depend on. */
interface Moment {
  readonly now: UnixMillis;
  readonly random: Uniform;
  readonly params: GuardParams;
}

/**
 * The sets of guard-spec 4.1 to 4.4, and what moves guards between them:
 *
 * | set | members | order | kept in the file |
 * | --- | --- | --- | --- |
 * | sampled | taken from the consensus by weight | as they were taken | yes |
 * | filtered | those of the sample that are listed and that the configuration allows | of the sample | no |
 * | usable filtered | those of them that are not known to be down | of the sample | no |
 * | confirmed | those of the sample that were used | as they were used first | yes |
 * | primary | the first of confirmed ∩ filtered, then of filtered | confirmed first | no |
 *
 * | a guard leaves the sample | after |
 * | --- | --- |
 * | listed no more | `removeUnlistedAfterMillis` |
 * | never used | `lifetimeMillis` |
 * | used | `lifetimeMillis` in the sample and `confirmedMinLifetimeMillis` since its first use |
 */
export class Sample {
  readonly #byName = new Map<Fingerprint, SampledGuard>();
  readonly #confirmed: Array<SampledGuard> = [];
  #primary: ReadonlyArray<SampledGuard> = [];

  /**
   * @param records the guards in the order of the sample
   * @param confirmed those of them that are confirmed, in their order
   */
  constructor(records: ReadonlyArray<GuardRecord>, confirmed: ReadonlyArray<Fingerprint>) {
    for (const record of records) this.#byName.set(record.fingerprint, new SampledGuard(record));
    for (const fingerprint of confirmed) {
      const guard = this.#byName.get(fingerprint);
      if (guard !== undefined) this.#confirmed.push(guard);
    }
  }

  /** SAMPLED_GUARDS, in their order. */
  get guards(): IterableIterator<SampledGuard> {
    return this.#byName.values();
  }

  /** How many are sampled. */
  get size(): number {
    return this.#byName.size;
  }

  /** CONFIRMED_GUARDS, in their order. */
  get confirmed(): ReadonlyArray<SampledGuard> {
    return this.#confirmed;
  }

  /** PRIMARY_GUARDS, in their order. */
  get primary(): ReadonlyArray<SampledGuard> {
    return this.#primary;
  }

  /** A member of the sample; undefined if it is none. */
  get(fingerprint: Fingerprint): SampledGuard | undefined {
    return this.#byName.get(fingerprint);
  }

  /** How many guards of the sample are in USABLE_FILTERED_GUARDS. */
  get usable(): number {
    let count = 0;
    for (const guard of this.guards) if (guard.usable) count++;
    return count;
  }

  /**
   * Takes what a live consensus says of the sampled guards (guard-spec 4.10): IS_LISTED, FIRST_UNLISTED_AT.
   *
   * @returns whether anything changed that is kept in the file
   */
  updateListed(view: GuardView, { now, random, params }: Moment): boolean {
    let changed = false;
    for (const guard of this.guards) {
      const candidate = view.guards.get(guard.fingerprint);
      if (guard.noLaterThan(now)) changed = true;
      if (candidate === undefined && guard.unlistedSince === undefined) {
        guard.unlistedSince = backdate(now, params.removeUnlistedAfterMillis / 5, random);
        changed = true;
      } else if (candidate !== undefined && guard.unlistedSince !== undefined) {
        guard.unlistedSince = undefined;
        changed = true;
      }
      if (candidate !== undefined && guard.nickname !== candidate.nickname) {
        guard.nickname = candidate.nickname;
        changed = true;
      }
    }
    return changed;
  }

  /** Removes the guards whose time is over (guard-spec 4.1); to be asked while the consensus is live. */
  expire({ now, params }: Omit<Moment, "random">): ReadonlyArray<RemovedGuard> {
    const removed: Array<RemovedGuard> = [];
    for (const guard of [...this.guards]) {
      const reason = removalReason(guard, now, params);
      if (reason === undefined) continue;
      this.#byName.delete(guard.fingerprint);
      const confirmed = this.#confirmed.indexOf(guard);
      if (confirmed >= 0) this.#confirmed.splice(confirmed, 1);
      removed.push({ fingerprint: guard.fingerprint, reason });
    }
    return removed;
  }

  /**
   * Adds guards until enough are usable or the sample is full (guard-spec 4.2).
   *
   * @param universe which of the view's guards may be sampled, and of whom the sample's greatest size is a fraction
   * @returns those that were added
   */
  grow(
    universe: Iterable<GuardCandidate>,
    filter: GuardFilter,
    addedBy: string,
    { now, random, params }: Moment,
  ): ReadonlyArray<Fingerprint> {
    let usable = this.usable;
    if (usable >= params.minFilteredSample) return [];
    const listed = [...universe];
    const limit = Math.min(maxSampleSize(params, listed.length), SAMPLE_LIMIT);
    if (this.size >= limit) return [];
    const draw = new WeightedDraw(
      listed.filter(({ fingerprint }) => !this.#byName.has(fingerprint)),
      ({ weight }) => weight,
    );
    const added: Array<Fingerprint> = [];
    while (usable < params.minFilteredSample && this.size < limit) {
      const candidate = draw.next(random);
      if (candidate === undefined) break;
      const guard = new SampledGuard({
        fingerprint: candidate.fingerprint,
        nickname: candidate.nickname,
        addedOn: backdate(now, params.lifetimeMillis / 10, random),
        addedBy,
        unlistedSince: undefined,
        confirmedOn: undefined,
      });
      guard.candidate = candidate;
      guard.filtered = filter.allows(candidate);
      this.#byName.set(guard.fingerprint, guard);
      added.push(guard.fingerprint);
      if (guard.usable) usable++;
    }
    return added;
  }

  /** Computes FILTERED_GUARDS anew (guard-spec 4.2). */
  refilter(view: GuardView, filter: GuardFilter): void {
    for (const guard of this.guards) {
      guard.candidate = view.guards.get(guard.fingerprint);
      guard.filtered =
        guard.unlistedSince === undefined && guard.candidate !== undefined && filter.allows(guard.candidate);
    }
  }

  /** Appends a guard to CONFIRMED_GUARDS, unless it is there (guard-spec 4.3, 4.8). Answers whether it was not. */
  confirm(guard: SampledGuard, { now, random, params }: Moment): boolean {
    if (guard.confirmedOn !== undefined) return false;
    guard.confirmedOn = backdate(now, params.lifetimeMillis / 10, random);
    this.#confirmed.push(guard);
    return true;
  }

  /**
   * Computes PRIMARY_GUARDS anew (guard-spec 4.4): confirmed guards first; then those that were primary before, so that nothing
   * but a confirmed guard takes a place; then further ones in the order of the sample.
   */
  updatePrimary(count: number): void {
    const primary = new Set<SampledGuard>();
    const take = (guards: Iterable<SampledGuard>): void => {
      for (const guard of guards) {
        if (primary.size >= count) return;
        if (guard.filtered) primary.add(guard);
      }
    };
    take(this.#confirmed);
    // One that has left may have been sampled anew, and is another one then.
    take(this.#primary.filter((guard) => this.#byName.get(guard.fingerprint) === guard));
    take(this.guards);
    for (const guard of this.guards) {
      guard.primary = primary.has(guard);
      if (guard.primary) guard.pending = false;
    }
    this.#primary = [...primary];
  }
}

const removalReason = (guard: SampledGuard, now: UnixMillis, params: GuardParams): RemovalReason | undefined => {
  const { addedOn, unlistedSince, confirmedOn } = guard;
  if (unlistedSince !== undefined && now - unlistedSince > params.removeUnlistedAfterMillis) return "unlisted-too-long";
  if (now - addedOn <= params.lifetimeMillis) return undefined;
  if (confirmedOn === undefined) return "never-used";
  return now - confirmedOn > params.confirmedMinLifetimeMillis ? "lifetime-over" : undefined;
};
