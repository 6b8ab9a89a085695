import type { Random } from "./random.ts";

/** Items by number, to draw from by their weights: each draw takes the logarithm of their number. */
export class WeightedDraw {
  /** What may be drawn: places in the consensus. */
  readonly items: Uint32Array;
  /** The sum of the weights up to each item, itself included. */
  readonly #sums: Float64Array;

  /** @param weights by item: zero or more */
  constructor(items: Uint32Array, weights: Float64Array) {
    this.items = items;
    this.#sums = new Float64Array(items.length);
    let sum = 0;
    for (let at = 0; at < items.length; at++) {
      sum += weights[items[at] as number] as number;
      this.#sums[at] = sum;
    }
  }

  /** The sum of all weights. */
  get total(): number {
    return this.#sums.at(-1) ?? 0;
  }

  /**
   * One of them, by chance: by their weights, or all alike if all weigh nothing, as in a network that is new. Undefined if
   * there is none.
   */
  draw(random: Random): number | undefined {
    const { total } = this;
    if (total === 0) return this.items[Math.floor(random.uniform() * this.items.length)];
    // Less than the total, so there is a first sum above it, and what that sum has over the one before is a weight.
    const target = random.uniform() * total;
    let low = 0;
    let high = this.items.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sums[middle] as number) > target) high = middle;
      else low = middle + 1;
    }
    return this.items[low];
  }
}
