import type { CongestionControl, CongestionSignals, CongestionView } from "./control.ts";
import type { FixedWindowParams } from "./params.ts";
import { SendmeLedger } from "./sendme-ledger.ts";
import type { Micros } from "./units.ts";

/** DATA cells that one SENDME acknowledges where nothing else was agreed (tor-spec 7.3). */
export const fixedSendmeInc = 100;

class FixedWindow implements CongestionControl {
  readonly sendmeInc = fixedSendmeInc;
  readonly streamFlow = "window";
  readonly view: CongestionView;
  readonly #window: number;
  readonly #ledger: SendmeLedger;

  constructor(params: FixedWindowParams) {
    this.#window = params.window;
    this.#ledger = new SendmeLedger(fixedSendmeInc, params.sendmeAcceptMinVersion);
    this.view = new FixedWindowView(this.#window, this.#ledger);
  }

  room(): number {
    return this.#window - this.#ledger.inflight;
  }

  onCellSent(nowUs: Micros): boolean {
    if (this.room() === 0) throw new Error("A cell was sent without room in the window");
    return this.#ledger.onCellSent(nowUs);
  }

  rememberTag(tag: Uint8Array): void {
    this.#ledger.rememberTag(tag);
  }

  onSendme(version: number, tag: Uint8Array | undefined, _nowUs: Micros, _signals: CongestionSignals): void {
    this.#ledger.settle(version, tag);
    this.#ledger.acknowledge();
  }
}

class FixedWindowView implements CongestionView {
  readonly #ledger: SendmeLedger;
  readonly algorithm = "fixed-window";
  readonly rttUs = undefined;
  readonly minRttUs = undefined;
  readonly inSlowStart = false;
  readonly clockReliable = true;
  readonly cwnd: number;

  constructor(window: number, ledger: SendmeLedger) {
    this.cwnd = window;
    this.#ledger = ledger;
  }

  get inflight(): number {
    return this.#ledger.inflight;
  }

  get room(): number {
    return this.cwnd - this.#ledger.inflight;
  }
}

/**
 * The circuit windows that every version of Tor knows: so many DATA cells may be in flight, each SENDME makes room for 100
 * (tor-spec 7.3). Used with an end that does not speak congestion control.
 */
export const fixedWindow = (params: FixedWindowParams): CongestionControl => new FixedWindow(params);
