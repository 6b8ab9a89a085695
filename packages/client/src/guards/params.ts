import type { NetParams, ParamRange } from "@allium/netdoc";
import { SAMPLE_LIMIT } from "./limits.ts";

const second = 1_000;
const day = 86_400_000;
const int32 = 0x7fff_ffff;

/**
 * The parameters of guard-spec A.1 by their names in the consensus (param-spec 11).
 *
 * | field | consensus | default | range |
 * | --- | --- | --- | --- |
 * | `maxSampleThreshold` | `guard-max-sample-threshold-percent` | 20 % | 1 to 100 |
 * | `maxSampleSize` | `guard-max-sample-size` | 60 | 1 to 2³¹ - 1, here at most `SAMPLE_LIMIT` |
 * | `minFilteredSample` | `guard-min-filtered-sample-size` | 20 | the same |
 * | `lifetimeMillis` | `guard-lifetime-days` | 120 d | 1 to 3650 |
 * | `confirmedMinLifetimeMillis` | `guard-confirmed-min-lifetime-days` | 60 d | 1 to 3650 |
 * | `removeUnlistedAfterMillis` | `guard-remove-unlisted-guards-after-days` | 20 d | 1 to 3650 |
 * | `primaryGuards` | `guard-n-primary-guards` | 3 | 1 to 2³¹ - 1 |
 * | `primaryGuardsToUse` | `guard-n-primary-guards-to-use` | 1 | 1 to 2³¹ - 1 |
 * | `primaryDirectoryGuardsToUse` | `guard-n-primary-dir-guards-to-use` | 3 | 1 to 2³¹ - 1 |
 * | `internetLikelyDownMillis` | `guard-internet-likely-down-interval` | 600 s | 1 to 2³¹ - 1 |
 * | `nonprimaryConnectTimeoutMillis` | `guard-nonprimary-guard-connect-timeout` | 15 s | 1 to 2³¹ - 1 |
 * | `nonprimaryIdleTimeoutMillis` | `guard-nonprimary-guard-idle-timeout` | 600 s | 1 to 2³¹ - 1 |
 * | `meaningfulRestriction` | `guard-meaningful-restriction-percent` | 20 % | 1 to 100 |
 * | `extremeRestriction` | `guard-extreme-restriction-percent` | 1 % | 1 to 100 |
 *
 * The retry schedules are not in the consensus: see `retryTime`.
 */
export interface GuardParams {
  /** MAX_SAMPLE_THRESHOLD, as a fraction of the guards in the consensus. */
  readonly maxSampleThreshold: number;
  /** MAX_SAMPLE_SIZE. */
  readonly maxSampleSize: number;
  /** MIN_FILTERED_SAMPLE. */
  readonly minFilteredSample: number;
  /** GUARD_LIFETIME. */
  readonly lifetimeMillis: number;
  /** GUARD_CONFIRMED_MIN_LIFETIME. */
  readonly confirmedMinLifetimeMillis: number;
  /** REMOVE_UNLISTED_GUARDS_AFTER. */
  readonly removeUnlistedAfterMillis: number;
  /** N_PRIMARY_GUARDS. */
  readonly primaryGuards: number;
  /** NUM_USABLE_PRIMARY_GUARDS. */
  readonly primaryGuardsToUse: number;
  /** NUM_USABLE_PRIMARY_DIRECTORY_GUARDS. */
  readonly primaryDirectoryGuardsToUse: number;
  /** INTERNET_LIKELY_DOWN_INTERVAL. */
  readonly internetLikelyDownMillis: number;
  /** NONPRIMARY_GUARD_CONNECT_TIMEOUT. */
  readonly nonprimaryConnectTimeoutMillis: number;
  /** NONPRIMARY_GUARD_IDLE_TIMEOUT. */
  readonly nonprimaryIdleTimeoutMillis: number;
  /** MEANINGFUL_RESTRICTION_FRAC. */
  readonly meaningfulRestriction: number;
  /** EXTREME_RESTRICTION_FRAC. */
  readonly extremeRestriction: number;
}

const range = (value: number, max: number): ParamRange => ({ default: value, min: 1, max });
const days = (value: number): ParamRange => range(value, 3650);
const percent = (value: number): ParamRange => range(value, 100);
const number = (value: number): ParamRange => range(value, int32);
const sampled = (value: number): ParamRange => range(value, SAMPLE_LIMIT);

/** What the consensus says of guards; the defaults where it says nothing. */
export const guardParams = (params: NetParams): GuardParams => ({
  maxSampleThreshold: params.get("guard-max-sample-threshold-percent", percent(20)) / 100,
  maxSampleSize: params.get("guard-max-sample-size", sampled(60)),
  minFilteredSample: params.get("guard-min-filtered-sample-size", sampled(20)),
  lifetimeMillis: params.get("guard-lifetime-days", days(120)) * day,
  confirmedMinLifetimeMillis: params.get("guard-confirmed-min-lifetime-days", days(60)) * day,
  removeUnlistedAfterMillis: params.get("guard-remove-unlisted-guards-after-days", days(20)) * day,
  primaryGuards: params.get("guard-n-primary-guards", number(3)),
  primaryGuardsToUse: params.get("guard-n-primary-guards-to-use", number(1)),
  primaryDirectoryGuardsToUse: params.get("guard-n-primary-dir-guards-to-use", number(3)),
  internetLikelyDownMillis: params.get("guard-internet-likely-down-interval", number(600)) * second,
  nonprimaryConnectTimeoutMillis: params.get("guard-nonprimary-guard-connect-timeout", number(15)) * second,
  nonprimaryIdleTimeoutMillis: params.get("guard-nonprimary-guard-idle-timeout", number(600)) * second,
  meaningfulRestriction: params.get("guard-meaningful-restriction-percent", percent(20)) / 100,
  extremeRestriction: params.get("guard-extreme-restriction-percent", percent(1)) / 100,
});

/**
 * The most guards that a sample may have while the consensus lists so many (guard-spec 4.1): a fraction of them, but never above
 * the one bound nor below the other.
 */
export const maxSampleSize = (params: GuardParams, listed: number): number =>
  Math.max(Math.min(Math.floor(listed * params.maxSampleThreshold), params.maxSampleSize), params.minFilteredSample);
