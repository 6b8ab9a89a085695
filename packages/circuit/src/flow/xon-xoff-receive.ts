import type { ClockHealth } from "../congestion/clock-watch.ts";
import type { Micros } from "../congestion/units.ts";
import { DrainRate } from "./drain-rate.ts";
import { dataCellBytesMax, type FlowParams } from "./params.ts";
import type { FlowAnswer, StreamReceiveFlow } from "./stream-flow.ts";

/** Buffered bytes that are no sign of a slow application, only of a burst that has not been handed on: 32 cells. */
const burstBytes = 32 * dataCellBytesMax;

/**
 * How long the buffer has to be above the threshold before an XOFF is sent: so long cells may come in before the application
 * had its turn to take any (`tor`'s XOFF_GRACE_PERIOD_USEC).
 */
const xoffGraceUs = 5000;

const xoff: FlowAnswer = { _tag: "Xoff" };

/**
 * The receiving half of a stream with XON/XOFF (proposal 324, 4.1): asks the other end to stop when too much is buffered, to go
 * on when all of it is gone, and to slow down to what the application takes.
 */
export class XonXoffReceive implements StreamReceiveFlow {
  readonly #params: FlowParams;
  readonly #clock: ClockHealth;
  readonly #xoffBytes: number;
  readonly #drain: DrainRate;
  /** Whether an XOFF was sent and no XON since. */
  #stopped = false;
  /** When the buffer rose above the threshold. */
  #aboveSince: Micros | undefined;
  /** The rate of the last XON; zero if it had none, or none was sent. */
  #advertised = 0;

  /**
   * @param xoffBytes buffered bytes above which an XOFF is sent
   * @param clock whether the monotonic clock can be trusted
   */
  constructor(params: FlowParams, xoffBytes: number, clock: ClockHealth) {
    this.#params = params;
    this.#xoffBytes = xoffBytes;
    this.#clock = clock;
    this.#drain = new DrainRate(params, clock);
  }

  onDataReceived(buffered: number, nowUs: Micros): FlowAnswer | undefined {
    const isDue = this.#xoffIsDue(buffered, nowUs);
    if (isDue) {
      this.#stopped = true;
      this.#aboveSince = undefined;
      this.#drain.forget();
    }
    // An application that takes nothing does not report either, and yet the time it takes counts.
    const answer = buffered > burstBytes ? this.onDrained(0, buffered, nowUs) : undefined;
    return isDue ? xoff : answer;
  }

  onDrained(drained: number, buffered: number, nowUs: Micros): FlowAnswer | undefined {
    this.#drain.onDrained(drained, buffered, nowUs);
    const answer = (this.#stopped ? buffered === 0 : this.#rateHasChanged()) ? this.#xon() : undefined;
    if (buffered === 0) this.#drain.onEmpty(this.#advertised !== 0);
    return answer;
  }

  #xon(): FlowAnswer {
    this.#stopped = false;
    this.#advertised = this.#drain.rate;
    return { _tag: "Xon", rate: this.#drain.rate };
  }

  #xoffIsDue(buffered: number, nowUs: Micros): boolean {
    if (buffered <= this.#xoffBytes) {
      this.#aboveSince = undefined;
      return false;
    }
    if (this.#stopped) return false;
    this.#aboveSince ??= nowUs;
    return nowUs - this.#aboveSince > xoffGraceUs;
  }

  /** Whether the rate is so far from the advertised one that the other end should know. */
  #rateHasChanged(): boolean {
    if (!this.#clock.clockReliable || this.#advertised === 0) return false;
    const { xonChangePct } = this.#params;
    const rate = this.#drain.rate;
    return (
      rate > Math.floor(((100 + xonChangePct) * this.#advertised) / 100) ||
      rate < Math.floor(((100 - xonChangePct) * this.#advertised) / 100)
    );
  }
}
