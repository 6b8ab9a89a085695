import { ClockWatch } from "./clock-watch.ts";
import { nEwma, percentMaxMix } from "./ewma.ts";
import type { RttParams } from "./params.ts";
import type { Micros } from "./units.ts";

/** How the window stands when a round trip is measured; the smoothing depends on it. */
export interface WindowPhase {
  readonly inSlowStart: boolean;
  /** SENDMEs between two updates of the window, CWND_UPDATE_RATE of proposal 324. */
  readonly acksPerUpdate: number;
  /** Whether the window is as small as it may get. */
  readonly atMinimum: boolean;
}

/**
 * Estimates the round trip time of a circuit hop, from the sending of a cell that the other end acknowledges to the arrival of
 * its SENDME (proposal 324, 2.1). All times are microseconds; zero stands for "not measured yet".
 */
export class RttEstimator {
  readonly #params: RttParams;
  readonly #clock: ClockWatch;
  #smoothed = 0;
  #min = 0;

  constructor(params: RttParams, clock: ClockWatch = new ClockWatch()) {
    this.#params = params;
    this.#clock = clock;
  }

  /** The smoothed round trip time, N-EWMA. */
  get smoothedUs(): number {
    return this.#smoothed;
  }

  /** The lowest smoothed round trip time. */
  get minUs(): number {
    return this.#min;
  }

  /** See {@link ClockWatch}. */
  get clockReliable(): boolean {
    return this.#clock.clockReliable;
  }

  /** Takes in one round trip. False if it was the clock that moved, and nothing was learned. */
  update(sentAtUs: Micros, nowUs: Micros, phase: WindowPhase): boolean {
    const measured = nowUs - sentAtUs;
    // In slow start round trips change fast, so they are compared with each other only after it.
    const canCompare = !phase.inSlowStart && this.#smoothed !== 0;
    if (this.#clock.isStalledOrJumped(this.#smoothed, measured, canCompare)) return false;
    this.#smoothed = nEwma(measured, this.#smoothed, this.#smoothing(phase));
    if (this.#min === 0) {
      this.#min = this.#smoothed;
    } else if (phase.atMinimum && !phase.inSlowStart) {
      // An abnormally low minimum makes any round trip look congested and keeps the window down for ever; forget it.
      this.#min = percentMaxMix(this.#smoothed, this.#min, this.#params.rttResetPct);
    } else if (this.#smoothed < this.#min) {
      this.#min = this.#smoothed;
    }
    return true;
  }

  /** The N of N-EWMA (proposal 324, 2.1.2). */
  #smoothing(phase: WindowPhase): number {
    const { ewmaSlowStart, ewmaCwndPct, ewmaMax } = this.#params;
    if (phase.inSlowStart) return Math.max(ewmaSlowStart, 2);
    return Math.max(Math.min(Math.floor((phase.acksPerUpdate * ewmaCwndPct) / 100), ewmaMax), 2);
  }
}
