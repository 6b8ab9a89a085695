/**
 * A measured time this many times longer or shorter than usual is the clock's doing, not the network's (proposal 324, 2.1.1).
 */
const discrepancyRatioMax = 5000;

/** What flow control needs to know of the clock before it measures a rate by it. A `CongestionView` will do. */
export interface ClockHealth {
  /** False while the monotonic clock is suspected of standing still. */
  readonly clockReliable: boolean;
}

/**
 * Watches the monotonic clock through the round trips that are measured with it: a virtual machine that was suspended, or a
 * coarse clock, must not be mistaken for congestion (proposal 324, 2.1.1, CLOCK_HEURISTICS).
 */
export class ClockWatch implements ClockHealth {
  #stalled = false;

  get clockReliable(): boolean {
    return !this.#stalled;
  }

  /**
   * Whether a newly measured time is to be ignored. Only a time of zero, which the network cannot bring about, marks the clock as
   * stalled; only an ordinary time clears it.
   *
   * @param usual the smoothed time up to now, microseconds
   * @param measured the new one, microseconds
   * @param canCompare whether there are enough measurements behind `usual` to compare with it
   */
  isStalledOrJumped(usual: number, measured: number, canCompare: boolean): boolean {
    if (measured <= 0) {
      this.#stalled = true;
      return true;
    }
    if (!canCompare) return false;
    if (usual > measured * discrepancyRatioMax) return this.#stalled;
    if (measured > usual * discrepancyRatioMax) return true;
    this.#stalled = false;
    return false;
  }
}
