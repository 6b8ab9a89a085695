/** The build times that are kept: the newest of them (path-spec 2.4.2). */
export const historyLength = 1000;
/** The width of a bin of the histogram, in milliseconds (path-spec 2.4.2). */
export const binWidthMs = 10;

/** One bin of a histogram: the time in its middle, in milliseconds, and how many build times fell into it. */
export type Bin = readonly [midpointMs: number, count: number];

/** The middle of the bin that a time falls into, in milliseconds. */
export const midpointOf = (ms: number): number => Math.floor(ms / binWidthMs) * binWidthMs + binWidthMs / 2;

/**
 * The newest build times of three-hop circuits, in milliseconds: a circular array of {@link historyLength}, and the histogram
 * of what is in it (path-spec 2.4.2).
 */
export class BuildTimeHistory {
  readonly #times = new Float64Array(historyLength);
  readonly #bins = new Map<number, number>();
  #next = 0;
  #count = 0;

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** Keeps one, in place of the oldest if there are {@link historyLength}. */
  add(ms: number): void {
    if (this.#count === historyLength) this.#forget(this.#times[this.#next] as number);
    else this.#count++;
    this.#times[this.#next] = ms;
    this.#next = (this.#next + 1) % historyLength;
    const midpoint = midpointOf(ms);
    this.#bins.set(midpoint, (this.#bins.get(midpoint) ?? 0) + 1);
  }

  /** Forgets all. */
  clear(): void {
    this.#bins.clear();
    this.#next = 0;
    this.#count = 0;
  }

  /** All of them, in no order that matters: a view, good until the next change. */
  times(): Float64Array {
    return this.#times.subarray(0, this.#count);
  }

  /** The bins that hold any, in no order. */
  bins(): Iterable<Bin> {
    return this.#bins;
  }

  /** The longest of them, in milliseconds; zero if there is none. */
  get longest(): number {
    let longest = 0;
    for (let index = 0; index < this.#count; index++) longest = Math.max(longest, this.#times[index] as number);
    return longest;
  }

  /** The bins that hold any, in ascending order of their times. */
  histogram(): Array<Bin> {
    return [...this.#bins].sort(([left], [right]) => left - right);
  }

  #forget(ms: number): void {
    const midpoint = midpointOf(ms);
    const count = this.#bins.get(midpoint) as number;
    if (count === 1) this.#bins.delete(midpoint);
    else this.#bins.set(midpoint, count - 1);
  }
}
