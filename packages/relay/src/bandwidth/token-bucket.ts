/** How fast bytes may pass. */
export interface BandwidthLimits {
  /** Bytes a second, in the long run. */
  readonly rate: number;
  /** Bytes at once, after a pause. */
  readonly burst: number;
}

/**
 * A token bucket: it fills with `rate` tokens a second up to `burst`, and each byte that passes takes one. Pure: it is told the
 * time, in milliseconds of a clock that never goes back.
 */
export class TokenBucket {
  private limits: BandwidthLimits;
  private tokens: number;
  private filledAt: number;

  constructor(limits: BandwidthLimits, now: number) {
    this.limits = limits;
    this.tokens = limits.burst;
    this.filledAt = now;
  }

  /** Changes the limits; what is in the bucket stays, as far as it fits. */
  setLimits(limits: BandwidthLimits, now: number): void {
    this.fill(now);
    this.limits = limits;
    this.tokens = Math.min(this.tokens, limits.burst);
  }

  /** Whole bytes that may pass now. */
  available(now: number): number {
    this.fill(now);
    return Math.floor(this.tokens);
  }

  /** Bytes pass. No more than are `available`. */
  take(bytes: number): void {
    this.tokens -= bytes;
  }

  private fill(now: number): void {
    const { rate, burst } = this.limits;
    this.tokens = Math.min(burst, this.tokens + (rate * Math.max(0, now - this.filledAt)) / 1_000);
    this.filledAt = now;
  }
}
