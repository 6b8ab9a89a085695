import type { CongestionControl, CongestionSignals, CongestionView } from "./control.ts";
import type { VegasParams } from "./params.ts";
import { SendmeLedger } from "./sendme-ledger.ts";
import { Micros } from "./units.ts";
import { VegasWindow } from "./vegas-window.ts";

class Vegas implements CongestionControl {
  readonly sendmeInc: number;
  readonly streamFlow = "xon-xoff";
  readonly view: CongestionView;
  readonly #window: VegasWindow;
  readonly #ledger: SendmeLedger;

  constructor(params: VegasParams) {
    this.sendmeInc = params.sendmeInc;
    this.#window = new VegasWindow(params);
    this.#ledger = new SendmeLedger(params.sendmeInc, params.sendmeAcceptMinVersion);
    this.view = new VegasView(this.#window, this.#ledger);
  }

  room(): number {
    // The window may have shrunk below what is in flight.
    return Math.max(this.#window.cwnd - this.#ledger.inflight, 0);
  }

  onCellSent(nowUs: Micros): boolean {
    return this.#ledger.onCellSent(nowUs);
  }

  rememberTag(tag: Uint8Array): void {
    this.#ledger.rememberTag(tag);
  }

  onSendme(version: number, tag: Uint8Array | undefined, nowUs: Micros, signals: CongestionSignals): void {
    const sentAtUs = this.#ledger.settle(version, tag);
    this.#window.onAck(sentAtUs, nowUs, this.#ledger.inflight, signals);
    this.#ledger.acknowledge();
  }
}

class VegasView implements CongestionView {
  readonly algorithm = "vegas";
  readonly #window: VegasWindow;
  readonly #ledger: SendmeLedger;

  constructor(window: VegasWindow, ledger: SendmeLedger) {
    this.#window = window;
    this.#ledger = ledger;
  }

  get rttUs(): Micros | undefined {
    return measured(this.#window.rtt.smoothedUs);
  }

  get minRttUs(): Micros | undefined {
    return measured(this.#window.rtt.minUs);
  }

  get cwnd(): number {
    return this.#window.cwnd;
  }

  get inflight(): number {
    return this.#ledger.inflight;
  }

  get room(): number {
    return Math.max(this.#window.cwnd - this.#ledger.inflight, 0);
  }

  get inSlowStart(): boolean {
    return this.#window.inSlowStart;
  }

  get clockReliable(): boolean {
    return this.#window.rtt.clockReliable;
  }
}

const measured = (timeUs: number): Micros | undefined => (timeUs === 0 ? undefined : Micros(timeUs));

/**
 * Congestion control by TOR_VEGAS (proposal 324, 3.3): a window that follows what the circuit can carry, by the round trips
 * of cells that SENDMEs acknowledge.
 */
export const vegas = (params: VegasParams): CongestionControl => new Vegas(params);
