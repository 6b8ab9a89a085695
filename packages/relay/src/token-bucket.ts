/** How fast tokens come, and how many are kept. */
export interface TokenRate {
  /** Tokens in one unit of the time that the bucket is told: a second, or a millisecond. */
  readonly rate: number;
  /** The most that there may be. */
  readonly burst: number;
}

/**
 * Tokens that come at a rate and are kept up to a burst. It begins full. Pure: it is told the time, by a clock that does not go
 * back, and the rate each time, which may be another one. Where the rate is a whole number and time is told in whole units, tokens
 * come whole.
 */
export class TokenBucket {
  /** What is left. */
  tokens: number;
  private filledAt: number;

  constructor({ burst }: TokenRate, now: number) {
    this.tokens = burst;
    this.filledAt = now;
  }

  /** Takes in what has come since. What is above the burst is lost. */
  refill({ rate, burst }: TokenRate, now: number): void {
    this.tokens = Math.min(this.tokens + (now - this.filledAt) * rate, burst);
    this.filledAt = now;
  }

  /** Takes tokens, or none if there are not so many: then it is false. */
  take(count = 1): boolean {
    if (this.tokens < count) return false;
    this.tokens -= count;
    return true;
  }
}
