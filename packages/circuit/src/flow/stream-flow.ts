import type { Micros } from "../congestion/units.ts";
import type { XonRate } from "./units.ts";

/** What is to be sent on the stream for the sake of flow control. */
export type FlowAnswer =
  | { readonly _tag: "Sendme" /** How many stream SENDMEs, one after the other. */; readonly count: number }
  | { readonly _tag: "Xoff" }
  | { readonly _tag: "Xon"; readonly rate: XonRate };

/**
 * The sending half of a stream's flow control: how much of what the application has may be packaged, as far as the other end
 * of the stream is concerned (the circuit's window is another matter).
 */
export interface StreamSendFlow {
  /** DATA cells that may be packaged now. `Infinity` if the other end set no limit. */
  readonly room: (nowUs: Micros) => number;
  /**
   * When there is room again if nothing comes in, `undefined` if only a message from the other end makes room. For a stream
   * without room whose rate is limited: sleep until then and ask `room` again.
   */
  readonly roomAt: (nowUs: Micros) => Micros | undefined;
  /** A DATA cell with so many bytes of the stream was packaged. */
  readonly onDataSent: (bytes: number, nowUs: Micros) => void;
  /** A stream-level SENDME came in. @throws FlowError */
  readonly onSendme: () => void;
  /** An XOFF came in. @throws FlowError */
  readonly onXoff: () => void;
  /** An XON came in. @throws FlowError */
  readonly onXon: (rate: XonRate, nowUs: Micros) => void;
}

/**
 * The receiving half of a stream's flow control: told of what comes in and what the application takes, it says what to send
 * so that the bytes that wait in between stay few.
 */
export interface StreamReceiveFlow {
  /**
   * A DATA cell came in for the stream; `buffered` bytes wait for the application, those of the cell included.
   *
   * @throws FlowError `window-overrun`
   */
  readonly onDataReceived: (buffered: number, nowUs: Micros) => FlowAnswer | undefined;
  /** The application took `drained` bytes; `buffered` still wait for it. */
  readonly onDrained: (drained: number, buffered: number, nowUs: Micros) => FlowAnswer | undefined;
}

/** Both halves of one stream. */
export interface StreamFlow {
  readonly send: StreamSendFlow;
  readonly receive: StreamReceiveFlow;
}
