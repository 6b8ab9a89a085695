/** What a parameter may be, and what it is when the consensus does not say (param-spec). */
export interface ParamRange {
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

/**
 * Numbers by name: the consensus's `params`, or its `bandwidth-weights` (dir-spec 3.4.1).
 */
export class NetParams {
  /** What holds while there is no consensus: nothing is set. */
  static readonly none: NetParams = new NetParams(new Map());

  readonly #values: ReadonlyMap<string, number>;

  constructor(values: ReadonlyMap<string, number>) {
    this.#values = values;
  }

  /**
   * The value of a parameter within its range: what lies outside counts as the nearest bound, as everybody in the network has
   * to agree what a value means.
   */
  get(name: string, range: ParamRange): number {
    const value = this.#values.get(name) ?? range.default;
    return Math.min(Math.max(value, range.min), range.max);
  }

  /** The value as it stands; undefined if the consensus does not have it. */
  raw(name: string): number | undefined {
    return this.#values.get(name);
  }

  /** All names and values as they stand, in their order. */
  entries(): IterableIterator<readonly [name: string, value: number]> {
    return this.#values.entries();
  }
}
