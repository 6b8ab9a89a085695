/**
 * The consensus parameters of learning (path-spec 2.4.6), with what they are when the consensus is silent, and what they may
 * be.
 *
 * | parameter           | default  | least           | most       | unit                        |
 * | ------------------- | -------- | --------------- | ---------- | --------------------------- |
 * | `cbtdisabled`       | 0        | 0               | 1          | yes or no                   |
 * | `cbtnummodes`       | 10       | 1               | 20         | bins of the histogram       |
 * | `cbtrecentcount`    | 20       | 3               | 1000       | circuits                    |
 * | `cbtmaxtimeouts`    | 18       | 3               | 10000      | circuits                    |
 * | `cbtmincircs`       | 100      | 1               | 10000      | circuits                    |
 * | `cbtquantile`       | 80       | 10              | 99         | percent                     |
 * | `cbtclosequantile`  | 99       | `cbtquantile`   | 99         | percent                     |
 * | `cbttestfreq`       | 10       | 1               | 2147483647 | seconds                     |
 * | `cbtmintimeout`     | 10       | 10              | 2147483647 | milliseconds                |
 * | `cbtinitialtimeout` | 60000    | `cbtmintimeout` | 2147483647 | milliseconds                |
 * | `cbtlearntimeout`   | 180      | 10              | 60000      | seconds                     |
 * | `cbtmaxopencircs`   | 10       | 0               | 14         | circuits                    |
 */

/** The largest value of a parameter, and the longest time that is taken for one. */
export const int32Max = 0x7fff_ffff;

/** A parameter as the consensus has it, by name; undefined if it does not: `name => params.raw(name)`. */
export type ParamSource = (name: string) => number | undefined;

/** How build times are learned: the parameters of path-spec 2.4.6, each within its range. */
export interface BuildTimeParams {
  /** Nothing is learned, and what was learned is discarded. */
  readonly disabled: boolean;
  /** How many of the fullest bins make the estimate of Xm. */
  readonly modes: number;
  /** How many outcomes are kept to see that the network has changed. */
  readonly recentCount: number;
  /** How many of these must be timeouts for it. */
  readonly maxTimeouts: number;
  /** How many build times an estimate takes. */
  readonly minCircuits: number;
  /** The part of circuits that should be done before the timeout, 0 to 1. */
  readonly quantile: number;
  /** The part of circuits that should be done before the close timeout, 0 to 1. */
  readonly closeQuantile: number;
  /** How long after one test circuit the next is made, in milliseconds. */
  readonly testEveryMs: number;
  /** The least timeout, in milliseconds. */
  readonly minTimeoutMs: number;
  /** Both timeouts while there is no estimate, and the least close timeout, in milliseconds. */
  readonly initialTimeoutMs: number;
  /** How long idle circuits are kept while an estimate is being learned, in milliseconds. */
  readonly learnTimeoutMs: number;
  /** How many circuits may be open for test circuits still to be made. */
  readonly maxOpenCircuits: number;
}

/** Reads the parameters. What lies outside its range counts as the nearest bound (param-spec). */
export const buildTimeParams = (param: ParamSource): BuildTimeParams => {
  const read = (name: string, fallback: number, min: number, max: number): number => {
    const value = param(name);
    return Math.min(Math.max(value === undefined || Number.isNaN(value) ? fallback : value, min), max);
  };
  const quantile = read("cbtquantile", 80, 10, 99);
  const minTimeoutMs = read("cbtmintimeout", 10, 10, int32Max);
  return {
    disabled: read("cbtdisabled", 0, 0, 1) === 1,
    modes: read("cbtnummodes", 10, 1, 20),
    recentCount: read("cbtrecentcount", 20, 3, 1000),
    maxTimeouts: read("cbtmaxtimeouts", 18, 3, 10_000),
    minCircuits: read("cbtmincircs", 100, 1, 10_000),
    quantile: quantile / 100,
    closeQuantile: read("cbtclosequantile", 99, quantile, 99) / 100,
    testEveryMs: read("cbttestfreq", 10, 1, int32Max) * 1000,
    minTimeoutMs,
    initialTimeoutMs: read("cbtinitialtimeout", 60_000, minTimeoutMs, int32Max),
    learnTimeoutMs: read("cbtlearntimeout", 180, 10, 60_000) * 1000,
    maxOpenCircuits: read("cbtmaxopencircs", 10, 0, 14),
  };
};
