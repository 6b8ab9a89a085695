import type { Consensus, UnixMillis } from "@allium/netdoc";

/** Draws an integer in [0, limit), as `Entropy.below` does. */
export type Draw = (limit: number) => number;

const second = 1000;
const shortestDelay = second;

/**
 * The delays between attempts at one thing: decorrelated jitter (dir-spec 5.5), each between a second and three times the one
 * before it.
 */
export class Backoff {
  readonly #cap: number;
  #last = 0;

  /** @param cap the longest delay, in milliseconds */
  constructor(cap: number) {
    this.#cap = cap;
  }

  /** How long to wait after another failure, in milliseconds. @param atLeast the lower bound, in place of a second */
  next(draw: Draw, atLeast = shortestDelay): number {
    const upper = Math.max(atLeast + second, this.#last * 3);
    this.#last = Math.min(atLeast + draw(upper - atLeast), Math.max(this.#cap, atLeast));
    return this.#last;
  }

  /** It worked: the next failure counts as the first. */
  reset(): void {
    this.#last = 0;
  }
}

/** How long caches leave the authorities alone after a consensus is due, at most. */
const longestSlack = 120 * second;

/** What the authorities agree on is not to keep us from asking them for longer than this. */
const longestWindow = 24 * 3600 * second;

/**
 * When a cache fetches the consensus that follows a given one: at a random time in the first half-interval after it
 * is no longer fresh, and before it ends (dir-spec 4.1). In the past, if it ended long ago.
 */
export const nextCacheFetch = (consensus: Consensus, draw: Draw): UnixMillis => {
  const { validAfter, freshUntil, validUntil } = consensus.lifetime;
  const interval = freshUntil - validAfter;
  // Clocks may differ a little, and authorities take a moment to have it.
  const slack = Math.max(second, Math.min(longestSlack, interval / 16));
  const untilEnd = validUntil - freshUntil - second;
  const window = Math.max(second, Math.min(Math.floor(interval / 2), untilEnd, longestWindow));
  const start = Math.min(freshUntil + slack, Math.max(freshUntil, validUntil - window - second));
  return start + draw(window);
};

/**
 * When a client fetches the consensus that follows a given one: at a random time after the caches should have it, three quarters
 * of an interval after it is no longer fresh, and in the first seven eighths of what is left until it ends (dir-spec 5.1). In the
 * past, if it ended long ago.
 */
export const nextClientFetch = (consensus: Consensus, draw: Draw): UnixMillis => {
  const { validAfter, freshUntil, validUntil } = consensus.lifetime;
  const wait = Math.min(Math.floor(((freshUntil - validAfter) * 3) / 4), longestWindow);
  const left = validUntil - freshUntil - wait;
  const window = Math.max(second, Math.min(Math.floor((left * 7) / 8), longestWindow));
  const start = Math.min(freshUntil + wait, Math.max(freshUntil, validUntil - window - second));
  return start + draw(window);
};
