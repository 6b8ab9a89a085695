import type { ReceiveAccount } from "./control.ts";
import { CongestionError } from "./errors.ts";
import { fixedSendmeInc } from "./fixed-window.ts";
import type { AgreedParams } from "./params.ts";

/** How many DATA cells may be unacknowledged with fixed windows, whatever the network tells the sender (tor-spec 7.3). */
const deliverWindow = 1000;

class Account implements ReceiveAccount {
  readonly #sendmeInc: number;
  readonly #window: number;
  #unacknowledged = 0;
  /** Cells received since the last that had to be acknowledged. */
  #sinceDue = 0;

  constructor(sendmeInc: number, window: number) {
    this.#sendmeInc = sendmeInc;
    this.#window = window;
  }

  get unacknowledged(): number {
    return this.#unacknowledged;
  }

  onCellReceived(): boolean {
    if (this.#unacknowledged === this.#window) {
      throw new CongestionError("window-overrun", `A DATA cell after ${this.#window} that were not acknowledged`);
    }
    this.#unacknowledged++;
    this.#sinceDue++;
    if (this.#sinceDue < this.#sendmeInc) return false;
    this.#sinceDue = 0;
    return true;
  }

  onSendmeSent(): void {
    if (this.#unacknowledged < this.#sendmeInc) throw new Error("A SENDME was sent that was not due");
    this.#unacknowledged -= this.#sendmeInc;
  }
}

/** The receiving half of a circuit hop's flow control, as it was agreed. */
export const receiveAccount = (agreed: AgreedParams): ReceiveAccount =>
  agreed.algorithm === "vegas"
    ? new Account(agreed.sendmeInc, Number.POSITIVE_INFINITY)
    : new Account(fixedSendmeInc, deliverWindow);
