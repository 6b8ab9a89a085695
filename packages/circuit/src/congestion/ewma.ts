/**
 * The exponential moving average over `n` values that proposal 324, 2.1.2 prescribes, in the form that it prescribes, so that
 * rounding is the same everywhere. A previous average of zero means that there is none yet.
 */
export const nEwma = (current: number, previous: number, n: number): number =>
  previous === 0 ? current : Math.floor((2 * current + (n - 1) * previous) / (n + 1));

/**
 * The mean of two numbers in which the larger weighs `percent` of a hundred: 0 gives the smaller, 100 the larger.
 */
export const percentMaxMix = (a: number, b: number, percent: number): number =>
  Math.floor((percent * Math.max(a, b)) / 100) + Math.floor(((100 - percent) * Math.min(a, b)) / 100);
