import type { ClockHealth } from "../congestion/clock-watch.ts";
import { int32Max } from "../congestion/consensus-params.ts";
import { nEwma } from "../congestion/ewma.ts";
import type { Micros } from "../congestion/units.ts";
import type { FlowParams } from "./params.ts";
import { XonRate } from "./units.ts";

/**
 * Estimates how fast the application takes what is buffered for it (proposal 324, 4.1.2, as deployed in `tor`): bytes taken while
 * something was waiting, over the time that took, in kilobytes per second, smoothed.
 */
export class DrainRate {
  readonly #params: FlowParams;
  readonly #clock: ClockHealth;
  /** When the measurement began that is under way. */
  #since: Micros | undefined;
  /** Bytes taken since then; while nothing is buffered, since the last measurement. */
  #drained = 0;
  #drainedBefore = 0;
  #smoothed = 0;

  constructor(params: FlowParams, clock: ClockHealth) {
    this.#params = params;
    this.#clock = clock;
  }

  /** The smoothed rate; zero if there is none. */
  get rate(): XonRate {
    return XonRate(this.#smoothed);
  }

  /** Forgets the rate: it was wrong, if an XOFF had to be sent. */
  forget(): void {
    this.#smoothed = 0;
  }

  /** The application took `bytes` and left `buffered`. To be called with zero bytes too when much is buffered: that starts the clock. */
  onDrained(bytes: number, buffered: number, nowUs: Micros): void {
    this.#drained += bytes;
    if (!this.#clock.clockReliable) {
      this.#since = undefined;
      this.#drained = 0;
    } else if (this.#since === undefined && buffered > 0) {
      this.#since = nowUs;
      this.#drained = 0;
    }
    if (this.#since !== undefined && this.#drained > this.#params.xonRateBytes) this.#measure(this.#since, nowUs);
  }

  /**
   * Nothing is buffered any more. When as much as is needed for a measurement has passed without anything being buffered, the
   * rate is too low, and is doubled; but only once a rate was advertised, as nobody is held by it before.
   */
  onEmpty(isAdvertised: boolean): void {
    this.#since = undefined;
    if (this.#drained < this.#params.xonRateBytes || !isAdvertised) return;
    this.#smoothed = Math.min(2 * this.#smoothed, int32Max);
    this.#drainedBefore = this.#drained;
    this.#drained = 0;
  }

  #measure(since: Micros, nowUs: Micros): void {
    // `tor` divides the bytes of the measurement before by the time of this one. To agree with it is worth more than to be right.
    const bytes = this.#drainedBefore === 0 ? this.#drained : this.#drainedBefore;
    this.#drainedBefore = this.#drained;
    const elapsed = nowUs - since;
    if (elapsed <= 0) return;
    // bytes per microsecond are megabytes per second
    const measured = Math.min(Math.max(Math.floor((bytes * 1000) / elapsed), 1), int32Max);
    this.#smoothed = nEwma(measured, this.#smoothed, this.#params.xonEwmaCount);
    this.#drained = 0;
    this.#since = undefined;
  }
}
