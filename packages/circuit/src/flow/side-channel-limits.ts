import { FlowError } from "./errors.ts";
import type { FlowParams } from "./params.ts";

/** Bytes after which all counts are halved, so that a long transfer does not save up licence for a burst of XONs and XOFFs. */
const scaleAtBytes = 10 * 2 ** 20;

/**
 * Checks that XONs and XOFFs of a stream's other end can have been caused by what was sent to it. Cells that nothing was the
 * cause of carry a message to somebody who watches the client's line (DropMark; proposal 324, 4.1.4). For clients and onion
 * services; exits have no such checks.
 *
 * The thresholds are half of the specification's, and the lower of client's and exit's, as in Arti: the other end may hold
 * another consensus, and a violation costs the circuit.
 */
export class SideChannelLimits {
  readonly #xoffBytes: number;
  readonly #xonBytes: number;
  #sentBytes = 0;
  #xoffs = 0;
  #advisoryXons = 0;
  #last: "xon" | "xoff" | undefined;

  constructor(params: FlowParams) {
    this.#xoffBytes = Math.floor(Math.min(params.xoffClientBytes, params.xoffExitBytes) / 2);
    this.#xonBytes = Math.floor(params.xonRateBytes / 2);
  }

  /** So many bytes of the stream were sent. */
  onDataSent(bytes: number): void {
    if (this.#sentBytes >= scaleAtBytes) {
      this.#sentBytes = Math.floor(this.#sentBytes / 2);
      this.#xoffs = Math.floor(this.#xoffs / 2);
      this.#advisoryXons = Math.floor(this.#advisoryXons / 2);
    }
    this.#sentBytes += bytes;
  }

  /** An XOFF came in. @throws FlowError */
  onXoff(): void {
    this.#xoffs++;
    if (this.#last === "xoff") throw new FlowError("xoff-repeated", "XOFF after XOFF");
    if (this.#sentBytes < this.#xoffBytes) {
      throw new FlowError("xoff-early", `XOFF after ${this.#sentBytes} bytes`);
    }
    if (this.#xoffs * this.#xoffBytes > this.#sentBytes) {
      throw new FlowError("xoff-frequent", `${this.#xoffs} XOFFs for ${this.#sentBytes} bytes`);
    }
    this.#last = "xoff";
  }

  /** An XON came in. One that answers an XOFF is always in order; others only adjust the rate. @throws FlowError */
  onXon(): void {
    const isAdvisory = this.#last !== "xoff";
    this.#last = "xon";
    if (!isAdvisory) return;
    this.#advisoryXons++;
    if (this.#sentBytes < Math.min(this.#xoffBytes, this.#xonBytes)) {
      throw new FlowError("xon-early", `XON after ${this.#sentBytes} bytes`);
    }
    if (this.#advisoryXons * this.#xonBytes > this.#sentBytes) {
      throw new FlowError("xon-frequent", `${this.#advisoryXons} XONs for ${this.#sentBytes} bytes`);
    }
  }
}
