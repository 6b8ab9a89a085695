import type { UnixMillis } from "@allium/netdoc";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** A step of the schedules: while a guard has been failing for no longer than this, it is tried again after such a time. */
interface RetryStep {
  readonly failingFor: number;
  readonly primary: number;
  readonly other: number;
}

/**
 * How long after the last attempt a guard that is down is tried again (guard-spec 4.5, A.1):
 *
 * | failing for | primary (PRIMARY_GUARDS_RETRY_SCHED) | others (GUARDS_RETRY_SCHED) |
 * | --- | --- | --- |
 * | up to 6 hours | 10 min | 1 h |
 * | up to 4 days (90 hours more) | 90 min | 4 h |
 * | up to 7 days (3 days more) | 4 h | 18 h |
 * | longer | 9 h | 36 h |
 */
export const retrySchedule: ReadonlyArray<RetryStep> = [
  { failingFor: 6 * hour, primary: 10 * minute, other: hour },
  { failingFor: 4 * day, primary: 90 * minute, other: 4 * hour },
  { failingFor: 7 * day, primary: 4 * hour, other: 18 * hour },
  { failingFor: Number.POSITIVE_INFINITY, primary: 9 * hour, other: 36 * hour },
];

/**
 * When a guard that is down may be tried again: the first moment at which as much time has passed since the last attempt as the
 * schedule wants at that moment.
 */
export const retryTime = (failingSince: UnixMillis, lastTried: UnixMillis, primary: boolean): UnixMillis => {
  let moment = lastTried;
  for (const step of retrySchedule) {
    moment = lastTried + (primary ? step.primary : step.other);
    if (moment - failingSince <= step.failingFor) break;
  }
  return moment;
};
