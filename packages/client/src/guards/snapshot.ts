import type { Fingerprint, UnixMillis } from "@allium/netdoc";
import type { GuardRecord, Reachability, SampledGuard } from "./guard.ts";
import type { Sample } from "./sample.ts";

/** One guard as it is at a moment, for display. Changes to the set do not reach it. */
export interface GuardSnapshot extends GuardRecord {
  /** The best set that it is a member of. */
  readonly role: "primary" | "confirmed" | "sampled";
  /** Whether the consensus lists it. */
  readonly listed: boolean;
  /** Whether it is listed and the configuration allows it. */
  readonly filtered: boolean;
  readonly reachability: Reachability;
  readonly lastTried: UnixMillis | undefined;
  readonly failingSince: UnixMillis | undefined;
  /** When it is tried again by its schedule, if it is down. */
  readonly retryAt: UnixMillis | undefined;
  /** Whether a circuit is being built to find out about it. */
  readonly pending: boolean;
  readonly hasDescriptor: boolean;
}

/** All guards of a sample: primary, confirmed, others; each in its order. */
export const snapshotOf = (
  sample: Sample,
  hasDescriptor: (guard: Fingerprint) => boolean,
): ReadonlyArray<GuardSnapshot> => {
  const ordered = new Set<SampledGuard>([...sample.primary, ...sample.confirmed, ...sample.guards]);
  return [...ordered].map((guard) => ({
    fingerprint: guard.fingerprint,
    nickname: guard.nickname,
    addedOn: guard.addedOn,
    addedBy: guard.addedBy,
    unlistedSince: guard.unlistedSince,
    confirmedOn: guard.confirmedOn,
    role: guard.primary ? "primary" : guard.confirmedOn === undefined ? "sampled" : "confirmed",
    listed: guard.unlistedSince === undefined,
    filtered: guard.filtered,
    reachability: guard.reachability,
    lastTried: guard.lastTried,
    failingSince: guard.failingSince,
    retryAt: guard.retryAt,
    pending: guard.pending,
    hasDescriptor: hasDescriptor(guard.fingerprint),
  }));
};
