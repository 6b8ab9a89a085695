import type { Bin } from "./history.ts";

/** A Pareto distribution: the tail of the build times is taken for one (path-spec 2.4.1). */
export interface Pareto {
  /** Where it begins, in milliseconds. */
  readonly xm: number;
  /** One divided by alpha: zero if nothing lies behind Xm, where alpha would be infinite. */
  readonly inverseAlpha: number;
}

/**
 * Xm, in milliseconds: the average of the midpoints of the fullest bins, weighted by what is in them. Of bins that are equally
 * full the earlier count (path-spec 2.4.3, parameter estimation). Undefined if all bins are empty.
 */
export const estimateXm = (bins: Iterable<Bin>, modes: number): number | undefined => {
  // The fullest so far, the fullest first. There are few, and this is done for each circuit that is built.
  const fullest: Array<Bin> = [];
  for (const bin of bins) {
    let place = fullest.length;
    while (place > 0 && isFuller(bin, fullest[place - 1] as Bin)) place--;
    if (place >= modes) continue;
    fullest.splice(place, 0, bin);
    if (fullest.length > modes) fullest.pop();
  }
  let count = 0;
  let sum = 0;
  for (const [midpoint, size] of fullest) {
    count += size;
    sum += midpoint * size;
  }
  return count === 0 ? undefined : sum / count;
};

const isFuller = ([leftMidpoint, left]: Bin, [rightMidpoint, right]: Bin): boolean =>
  left > right || (left === right && leftMidpoint < rightMidpoint);

/**
 * The distribution that fits best, by maximum likelihood: `alpha = n / (sum of ln(max(Xm, x)) - n ln(Xm))` (path-spec 2.4.3).
 *
 * @param times the build times, in milliseconds: at least one
 * @param xm as {@link estimateXm} has it: more than zero
 */
export const fitPareto = (times: ArrayLike<number>, xm: number): Pareto => {
  let logs = 0;
  for (let index = 0; index < times.length; index++) logs += Math.log(Math.max(xm, times[index] as number));
  // Where nothing is longer than Xm, the two sums may differ by what is lost in rounding.
  return { xm, inverseAlpha: Math.max(0, logs / times.length - Math.log(xm)) };
};

/**
 * The time below which a part of the distribution lies: `F(q) = Xm / (1 - q)^(1 / alpha)`, in milliseconds (path-spec 2.4.3).
 *
 * @param quantile from 0 to less than 1
 */
export const paretoQuantile = ({ xm, inverseAlpha }: Pareto, quantile: number): number =>
  xm / (1 - quantile) ** inverseAlpha;
