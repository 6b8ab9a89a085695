import { int32Max } from "../congestion/consensus-params.ts";
import type { Micros } from "../congestion/units.ts";
import { FlowError } from "./errors.ts";
import { dataCellBytesMax } from "./params.ts";
import { RateLimit } from "./rate-limit.ts";
import type { SideChannelLimits } from "./side-channel-limits.ts";
import type { StreamSendFlow } from "./stream-flow.ts";
import { BytesPerSecond, type XonRate } from "./units.ts";

const unlimited = BytesPerSecond(Number.POSITIVE_INFINITY);

/** The rate that an XON sets. Zero means none, and what a 32-bit rate of bytes cannot express is none either, as in `tor`. */
const rateOf = (rate: XonRate): BytesPerSecond => {
  const bytes = rate * 1000;
  return bytes === 0 || bytes > int32Max ? unlimited : BytesPerSecond(bytes);
};

/** The sending half of a stream with XON/XOFF (proposal 324, 4.1): stops at an XOFF, goes on at an XON at the rate it says. */
export class XonXoffSend implements StreamSendFlow {
  readonly #limits: SideChannelLimits | undefined;
  readonly #rateLimit = new RateLimit();
  #stopped = false;

  /** @param limits checks that XONs and XOFFs have a cause; `undefined` at an exit, which does not check */
  constructor(limits: SideChannelLimits | undefined) {
    this.#limits = limits;
  }

  /** The rate that the other end asked for. */
  get rate(): BytesPerSecond {
    return this.#rateLimit.rate;
  }

  room(nowUs: Micros): number {
    if (this.#stopped) return 0;
    // Full cells only: sending whatever dribbles in would fill the circuit with nearly empty cells.
    return Math.max(Math.floor(this.#rateLimit.available(nowUs) / dataCellBytesMax), 0);
  }

  roomAt(nowUs: Micros): Micros | undefined {
    return this.#stopped ? undefined : this.#rateLimit.availableAt(dataCellBytesMax, nowUs);
  }

  onDataSent(bytes: number, nowUs: Micros): void {
    this.#limits?.onDataSent(bytes);
    this.#rateLimit.take(bytes, nowUs);
  }

  onSendme(): void {
    throw new FlowError("wrong-kind", "SENDME on a stream with XON/XOFF");
  }

  onXoff(): void {
    this.#limits?.onXoff();
    this.#stopped = true;
  }

  onXon(rate: XonRate, nowUs: Micros): void {
    this.#limits?.onXon();
    this.#stopped = false;
    this.#rateLimit.set(rateOf(rate), nowUs);
  }
}
