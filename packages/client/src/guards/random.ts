import type { UnixMillis } from "@allium/netdoc";

/** Where chance comes from. */
export interface Uniform {
  /** A number from 0 on and below 1, uniformly distributed. */
  uniform(): number;
}

/** An index below a limit. */
export const drawIndex = (random: Uniform, limit: number): number => Math.floor(random.uniform() * limit);

/**
 * RAND(now, interval) of guard-spec A.2: a time between now and so long before, in whole seconds, so that what is stored does not
 * tell when it happened.
 */
export const backdate = (now: UnixMillis, intervalMillis: number, random: Uniform): UnixMillis => {
  const moment = now - random.uniform() * intervalMillis;
  return Math.max(Math.floor(moment / 1000) * 1000, 0);
};

/** A weight to count with: what is no positive finite number counts as none. */
const plain = (weight: number): number => (weight > 0 && Number.isFinite(weight) ? weight : 0);

/** Draws things one after the other, each as likely as its share of the weight of those that are left. */
export class WeightedDraw<A> {
  readonly #items: Array<A>;
  readonly #weights: Array<number>;

  constructor(items: Iterable<A>, weight: (item: A) => number) {
    this.#items = [...items];
    this.#weights = this.#items.map((item) => plain(weight(item)));
  }

  /** How many are left. */
  get size(): number {
    return this.#items.length;
  }

  /** Takes one out; undefined if none is left. Once only things without weight are left, all are equally likely. */
  next(random: Uniform): A | undefined {
    const index = this.#index(random);
    const item = this.#items[index];
    // The last one takes its place: order means nothing here.
    const lastItem = this.#items.pop();
    const lastWeight = this.#weights.pop();
    if (index < this.#items.length && lastItem !== undefined && lastWeight !== undefined) {
      this.#items[index] = lastItem;
      this.#weights[index] = lastWeight;
    }
    return item;
  }

  #index(random: Uniform): number {
    // Summed anew each time: a running total would gather errors of rounding.
    const total = this.#weights.reduce((sum, weight) => sum + weight, 0);
    if (total <= 0) return drawIndex(random, this.#items.length);
    let rest = random.uniform() * total;
    let last = 0;
    for (let index = 0; index < this.#weights.length; index++) {
      const weight = this.#weights[index] as number;
      if (weight === 0) continue;
      if (rest < weight) return index;
      rest -= weight;
      last = index;
    }
    return last;
  }
}
