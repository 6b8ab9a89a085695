import type { Fingerprint, UnixMillis } from "@allium/netdoc";
import { retryTime } from "./retry.ts";
import type { GuardCandidate } from "./view.ts";

/**
 * What is known of whether a guard can be reached (guard-spec 4.1):
 *
 * | state | means | left for |
 * | --- | --- | --- |
 * | `maybe` | worth trying; so it begins | `yes` when a circuit succeeds, `no` when one fails because of the guard |
 * | `yes` | tried, and it worked | `no` |
 * | `no` | tried, and it did not | `yes`; `maybe` at its retry time, when the network comes back, or when all are down |
 */
export type Reachability = "yes" | "no" | "maybe";

/** What is kept of a guard over the end of the program (guard-spec 4.1, 4.3). */
export interface GuardRecord {
  readonly fingerprint: Fingerprint;
  /** As the consensus had it last. Empty if that is not known. */
  readonly nickname: string;
  /** ADDED_ON_DATE, moved into the past by chance. */
  readonly addedOn: UnixMillis;
  /** ADDED_BY_VERSION. */
  readonly addedBy: string;
  /** FIRST_UNLISTED_AT, moved into the past by chance; undefined while it is listed (IS_LISTED). */
  readonly unlistedSince: UnixMillis | undefined;
  /** CONFIRMED_ON_DATE, moved into the past by chance; undefined if it was never used. */
  readonly confirmedOn: UnixMillis | undefined;
}

/** A member of the sample: what is kept of it, and what is known of it now. */
export class SampledGuard {
  readonly fingerprint: Fingerprint;
  nickname: string;
  addedOn: UnixMillis;
  readonly addedBy: string;
  unlistedSince: UnixMillis | undefined;
  confirmedOn: UnixMillis | undefined;

  /** What the newest consensus says of it; undefined if it does not list it as a guard. */
  candidate: GuardCandidate | undefined;
  reachability: Reachability = "maybe";
  /** When it was given out last. */
  lastTried: UnixMillis | undefined;
  /** When it began to fail; undefined unless its last attempt failed. */
  failingSince: UnixMillis | undefined;
  /** Whether a circuit is being built to find out about it (guard-spec, is_pending). Never set while it is primary. */
  pending = false;
  /** Whether it is a member of FILTERED_GUARDS. Kept by the sample. */
  filtered = false;
  /** Whether it is one of PRIMARY_GUARDS. Kept by the sample. */
  primary = false;

  constructor(record: GuardRecord) {
    this.fingerprint = record.fingerprint;
    this.nickname = record.nickname;
    this.addedOn = record.addedOn;
    this.addedBy = record.addedBy;
    this.unlistedSince = record.unlistedSince;
    this.confirmedOn = record.confirmedOn;
  }

  /** Whether it is a member of USABLE_FILTERED_GUARDS (guard-spec 4.2). */
  get usable(): boolean {
    return this.filtered && this.reachability !== "no";
  }

  /** When it is tried again, by its schedule; undefined unless it is down (guard-spec 4.5). */
  get retryAt(): UnixMillis | undefined {
    if (this.reachability !== "no" || this.lastTried === undefined || this.failingSince === undefined) return undefined;
    return retryTime(this.failingSince, this.lastTried, this.primary);
  }

  /** It was given out (guard-spec 4.6). */
  tried(now: UnixMillis): void {
    this.lastTried = now;
  }

  /** A circuit failed because of it (guard-spec 4.7). */
  failed(now: UnixMillis): void {
    this.reachability = "no";
    this.pending = false;
    this.failingSince ??= now;
    this.lastTried ??= now;
  }

  /** A circuit through it was built (guard-spec 4.8). */
  succeeded(): void {
    this.reachability = "yes";
    this.pending = false;
    this.failingSince = undefined;
  }

  /** If it is down, it is worth another attempt. For how long it has been failing stays known. */
  reconsider(): void {
    if (this.reachability === "no") this.reachability = "maybe";
  }

  /** The clock was set back by so much. */
  shift(byMillis: number): void {
    if (this.lastTried !== undefined) this.lastTried -= byMillis;
    if (this.failingSince !== undefined) this.failingSince -= byMillis;
  }

  /** Dates that lie ahead of a clock known to be right come from one that was not. Answers whether there were any. */
  noLaterThan(now: UnixMillis): boolean {
    const whole = Math.floor(now / 1000) * 1000;
    const ahead = [this.addedOn, this.unlistedSince, this.confirmedOn].some((date) => date !== undefined && date > now);
    this.addedOn = Math.min(this.addedOn, whole);
    if (this.unlistedSince !== undefined) this.unlistedSince = Math.min(this.unlistedSince, whole);
    if (this.confirmedOn !== undefined) this.confirmedOn = Math.min(this.confirmedOn, whole);
    return ahead;
  }
}
