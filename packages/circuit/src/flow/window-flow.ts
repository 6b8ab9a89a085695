import type { Micros } from "../congestion/units.ts";
import { FlowError } from "./errors.ts";
import type { FlowAnswer, StreamFlow, StreamReceiveFlow, StreamSendFlow } from "./stream-flow.ts";

/** DATA cells that may be in flight on a stream, and how many each stream SENDME makes room for (tor-spec 7.4). */
const streamWindow = 500;
const streamIncrement = 50;

/** Bytes that may wait for the application while stream SENDMEs are still sent: ten cells (tor-spec 7.4). */
const bufferedMax = 10 * 509;

/** The sending half of a stream with a window (tor-spec 7.4). */
export class StreamSendWindow implements StreamSendFlow {
  #window = streamWindow;

  room(): number {
    return this.#window;
  }

  /** With windows only a SENDME makes room. */
  roomAt(nowUs: Micros): Micros | undefined {
    return this.#window > 0 ? nowUs : undefined;
  }

  onDataSent(): void {
    if (this.#window === 0) throw new Error("A cell was sent without room in the stream's window");
    this.#window--;
  }

  onSendme(): void {
    if (this.#window + streamIncrement > streamWindow) {
      throw new FlowError("window-overflow", `A stream SENDME with a window of ${this.#window}`);
    }
    this.#window += streamIncrement;
  }

  onXoff(): void {
    throw new FlowError("wrong-kind", "XOFF on a stream with windows");
  }

  onXon(): void {
    throw new FlowError("wrong-kind", "XON on a stream with windows");
  }
}

/** The receiving half of a stream with a window (tor-spec 7.4): acknowledges only what the application takes. */
export class StreamReceiveWindow implements StreamReceiveFlow {
  #window = streamWindow;

  onDataReceived(buffered: number): FlowAnswer | undefined {
    if (this.#window === 0) throw new FlowError("window-overrun", "A DATA cell beyond the stream's window");
    this.#window--;
    return this.#consider(buffered);
  }

  onDrained(_drained: number, buffered: number): FlowAnswer | undefined {
    return this.#consider(buffered);
  }

  #consider(buffered: number): FlowAnswer | undefined {
    if (buffered > bufferedMax) return undefined;
    const count = Math.floor((streamWindow - this.#window) / streamIncrement);
    if (count === 0) return undefined;
    this.#window += count * streamIncrement;
    return { _tag: "Sendme", count };
  }
}

/** Flow control of a stream by windows: for circuits without congestion control. */
export const windowFlow = (): StreamFlow => ({ send: new StreamSendWindow(), receive: new StreamReceiveWindow() });
