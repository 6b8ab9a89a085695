import type { Rate } from "./dos-params.ts";

/** Tokens that come at a rate and are kept up to a burst, counted in whole seconds as `tor` does. It begins full. */
export class TokenBucket {
  /** What is left. */
  tokens: number;
  private filledAt: number;

  /** @param now seconds of a clock that does not go back */
  constructor({ burst }: Rate, now: number) {
    this.tokens = burst;
    this.filledAt = Math.floor(now);
  }

  /** Takes in what has come since. */
  refill({ rate, burst }: Rate, now: number): void {
    const seconds = Math.floor(now) - this.filledAt;
    this.filledAt += seconds;
    this.tokens = Math.min(this.tokens + seconds * rate, burst);
  }

  /** Takes a token. False if there was none. */
  take(): boolean {
    if (this.tokens === 0) return false;
    this.tokens -= 1;
    return true;
  }
}
