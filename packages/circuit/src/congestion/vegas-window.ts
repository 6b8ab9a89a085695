import type { CongestionSignals } from "./control.ts";
import type { VegasParams } from "./params.ts";
import { RttEstimator } from "./rtt.ts";
import type { Micros } from "./units.ts";

/**
 * The congestion window of TOR_VEGAS (proposal 324, 3.3, as deployed in `tor` 0.4.8): compares the window with the
 * bandwidth-delay product (BDP), which is what the circuit carries without queues; the difference waits in queues. The window is
 * moved so that the queue stays between alpha and beta cells.
 *
 * All arithmetic is on integers, rounded where and how `tor` rounds.
 */
export class VegasWindow {
  readonly rtt: RttEstimator;
  readonly #params: VegasParams;
  readonly #min: number;
  #cwnd: number;
  #bdp = 0;
  #inSlowStart = true;
  #full = false;
  #channelBlocked = false;
  /** SENDMEs until the window is updated again after slow start: `next_cc_event`. */
  #acksToUpdate: number;
  /** SENDMEs until a window's worth of cells is acknowledged: `next_cwnd_event`. */
  #acksToCwnd = 0;

  constructor(params: VegasParams) {
    this.#params = params;
    this.rtt = new RttEstimator(params);
    // A window below one increment would never again be acknowledged, and the circuit stand still. The parameters say that it
    // must not be that small, but `sendmeInc` is the other end's.
    this.#min = Math.max(params.cwndMin, params.sendmeInc);
    this.#cwnd = Math.min(Math.max(params.cwndInit, params.sendmeInc), params.cwndMax);
    this.#acksToUpdate = this.#acksPerUpdate();
  }

  /** The congestion window, cells. */
  get cwnd(): number {
    return this.#cwnd;
  }

  get inSlowStart(): boolean {
    return this.#inSlowStart;
  }

  /** Whether the window counts as used up: only then may it grow. */
  get full(): boolean {
    return this.#full;
  }

  /** Whether the channel was blocked at the last SENDME. */
  get channelBlocked(): boolean {
    return this.#channelBlocked;
  }

  /**
   * A valid SENDME came in.
   *
   * @param sentAtUs when the cell was sent that it answers
   * @param inflight cells in flight, those that this SENDME acknowledges included
   */
  onAck(sentAtUs: Micros, nowUs: Micros, inflight: number, signals: CongestionSignals): void {
    if (this.#acksToUpdate > 0) this.#acksToUpdate--;
    if (this.#acksToCwnd > 0) this.#acksToCwnd--;
    const measured = this.rtt.update(sentAtUs, nowUs, {
      inSlowStart: this.#inSlowStart,
      acksPerUpdate: this.#acksPerUpdate(),
      atMinimum: this.#cwnd === this.#min,
    });
    this.#updateBdp(signals);
    if (!measured && !signals.channelBlocked) return;

    const queue = Math.max(this.#cwnd - this.#bdp, 0);
    this.#updateFull(inflight);
    if (this.#inSlowStart) this.#slowStart(queue);
    else if (this.#acksToUpdate === 0) this.#steady(queue);

    if (this.#acksToCwnd === 0) this.#acksToCwnd = this.#acksPerCwnd();
    if (this.#acksToUpdate === 0) this.#acksToUpdate = this.#acksPerUpdate();
    const expired = this.#params.cwndFullPerCwnd
      ? this.#acksToCwnd === this.#acksPerCwnd()
      : this.#acksToUpdate === this.#acksPerUpdate();
    if (expired) this.#full = false;
    this.#cwnd = Math.min(this.#cwnd, this.#params.cwndMax);
  }

  /** Estimates the BDP from window and round trips (proposal 324, 3.1.2), and notes a change of the channel's state. */
  #updateBdp(signals: CongestionSignals): void {
    const blocked = signals.channelBlocked;
    if (this.rtt.smoothedUs === 0) {
      // The clock has stood still for all of the circuit's life. All that is known of queues is the own one.
      const queued = blocked ? (signals.channelQueue ?? 0) : 0;
      this.#bdp = blocked ? Math.max(this.#cwnd - queued, this.#min) : this.#cwnd;
    } else {
      this.#bdp = Math.floor((this.#cwnd * this.rtt.minUs) / this.rtt.smoothedUs);
      // That the channel blocks or opens is reason to look at the window now, once.
      if (blocked !== this.#channelBlocked) this.#acksToUpdate = 0;
    }
    this.#channelBlocked = blocked;
  }

  #updateFull(inflight: number): void {
    const { cwndFullGap, cwndFullMinPct, sendmeInc } = this.#params;
    if (inflight + cwndFullGap * sendmeInc >= this.#cwnd) this.#full = true;
    else if (100 * inflight < cwndFullMinPct * this.#cwnd) this.#full = false;
  }

  #slowStart(queue: number): void {
    const { gamma, cwndInc, cwndIncRate, slowStartMax } = this.#params;
    if (queue >= gamma || this.#channelBlocked) {
      this.#cwnd = Math.max(this.#bdp + gamma, this.#min);
      this.#inSlowStart = false;
    } else if (this.#full) {
      const increment = this.#slowStartIncrement();
      this.#cwnd += increment;
      // Slower than the steady state would be: then that may as well take over.
      if (increment * this.#acksPerCwnd() <= cwndInc * cwndIncRate) this.#inSlowStart = false;
    }
    if (this.#cwnd >= slowStartMax) {
      this.#cwnd = slowStartMax;
      this.#inSlowStart = false;
    }
  }

  #steady(queue: number): void {
    const { alpha, beta, delta, cwndInc } = this.#params;
    if (queue > delta) this.#cwnd = this.#bdp + delta - cwndInc;
    else if (queue > beta || this.#channelBlocked) this.#cwnd -= cwndInc;
    else if (this.#full && queue < alpha) this.#cwnd += cwndInc;
    this.#cwnd = Math.max(this.#cwnd, this.#min);
  }

  /** Limited slow start (RFC 3742, section 2): `rfc3742_ss_inc`. */
  #slowStartIncrement(): number {
    const { cwndIncPctSlowStart, sendmeInc, slowStartCap } = this.#params;
    if (this.#cwnd <= slowStartCap) return Math.floor((cwndIncPctSlowStart * sendmeInc + 50) / 100);
    return Math.max(Math.floor((sendmeInc * slowStartCap + this.#cwnd) / (2 * this.#cwnd)), 1);
  }

  /** SENDMEs between two updates of the window, rounded: `CWND_UPDATE_RATE`. In slow start each one updates it. */
  #acksPerUpdate(): number {
    if (this.#inSlowStart) return 1;
    const cells = this.#params.cwndIncRate * this.#params.sendmeInc;
    return Math.floor((this.#cwnd + Math.floor(cells / 2)) / cells);
  }

  /** SENDMEs for a window's worth of cells, rounded: `SENDME_PER_CWND`. */
  #acksPerCwnd(): number {
    const { sendmeInc } = this.#params;
    return Math.floor((this.#cwnd + Math.floor(sendmeInc / 2)) / sendmeInc);
  }
}
