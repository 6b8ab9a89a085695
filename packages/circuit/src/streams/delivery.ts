import {
  type BackwardMessage,
  CellError,
  type End,
  EndReason,
  type ForwardMessage,
  type RelayCellReader,
  RelayCommand,
  type RelayMessageView,
  readBackwardMessage,
  readForwardMessage,
} from "@allium/cell";
import { releaseBytes, slabBytes } from "@allium/channel";
import type { Micros } from "../congestion/index.ts";
import { CircuitProtocolError } from "../errors.ts";
import { XonRate } from "../flow/index.ts";
import type { StreamTrain } from "../messages.ts";
import type { Opening } from "./opening.ts";
import type { Packaging } from "./packaging.ts";
import type { Stream } from "./stream.ts";
import type { StreamMap } from "./stream-map.ts";
import type { StreamTableOptions } from "./stream-table-options.ts";

// Where each message of a stream goes:
//
// | message | role | handled in | effect |
// | --- | --- | --- | --- |
// | BEGIN, BEGIN_DIR | exit | Opening.onBegin | opens; CONNECTED or END follows |
// | RESOLVE | exit | Opening.onResolve | RESOLVED follows |
// | CONNECTED, RESOLVED | client | Opening.onAnswer | the requester is told |
// | DATA | both | onData | gathered, written to the connection at the end of the train |
// | END | both | onEnd | what came before is delivered, then the stream is off the map |
// | SENDME, XON, XOFF | both | flow control of the stream | may make it ready again |
// | any, for a stream that is not there | both | StreamMap.onStray | dropped at an exit, mostly a violation at a client |

/** Takes in what came for the streams of a hop. */
export class Delivery {
  private readonly options: StreamTableOptions;
  private readonly map: StreamMap;
  private readonly opening: Opening;
  private readonly packaging: Packaging;
  private readonly reader: RelayCellReader;
  private readonly read: (view: RelayMessageView) => ForwardMessage | BackwardMessage;
  /** Streams have windows, and this is an exit, for which XON and XOFF are no violation then, as for `tor`'s. */
  private readonly ignoresXonXoff: boolean;
  /** Streams that the train brought data for. */
  private readonly touched: Array<Stream> = [];

  constructor(options: StreamTableOptions, map: StreamMap, opening: Opening, packaging: Packaging) {
    this.options = options;
    this.map = map;
    this.opening = opening;
    this.packaging = packaging;
    this.reader = options.format.makeReader();
    this.read = options.role === "exit" ? readForwardMessage : readBackwardMessage;
    this.ignoresXonXoff = options.role === "exit" && options.flow.sending.streamFlow === "window";
  }

  /**
   * Handles a run of cells with stream messages.
   * @throws CircuitProtocolError, CellError, FlowError: the circuit is to be closed
   */
  deliver(train: StreamTrain): void {
    const { reader, touched } = this;
    const now = this.options.now();
    let onlyData = true;
    for (let index = train.from; index < train.to; index++) {
      reader.reset(train.slab, index);
      while (reader.next()) {
        if (reader.command === RelayCommand.DATA) this.onData(reader, train.to - index, now);
        else {
          onlyData = false;
          this.onMessage(reader, now);
        }
      }
    }
    // DATA is copied; what else was read may be looked at for longer.
    if (onlyData && train.from === 0 && slabBytes(train.to) === train.slab.length) releaseBytes(train.slab);
    for (const stream of touched) {
      stream.handOver();
      this.map.watch(stream);
    }
    touched.length = 0;
  }

  private onData(view: RelayMessageView, cellsLeft: number, now: Micros): void {
    const stream = this.map.get(view.streamId);
    if (stream === undefined) return this.map.onStray(view.streamId, view.command, now);
    if (stream.state === "requested") {
      throw new CircuitProtocolError({ where: "DATA", detail: `stream ${stream.id} is not connected` });
    }
    if (view.end > view.start) {
      if (!stream.hasGathered) this.touched.push(stream);
      stream.gather(view.bytes, view.start, view.end, cellsLeft);
    }
    this.map.answer(stream, stream.flow.receive.onDataReceived(stream.buffered, now));
  }

  private onMessage(view: RelayMessageView, now: Micros): void {
    const message = this.readMessage(view);
    if (message === undefined) return;
    switch (message._tag) {
      case "BEGIN":
      case "BEGIN_DIR":
        return this.opening.onBegin(view.streamId, message);
      case "RESOLVE":
        return this.opening.onResolve(view.streamId, message);
      case "UNRECOGNIZED":
        return;
      default:
        break;
    }
    const stream = this.map.get(view.streamId);
    if (stream === undefined) return this.map.onStray(view.streamId, view.command, now);
    switch (message._tag) {
      case "END":
        return this.onEnd(stream, message);
      case "SENDME":
        stream.flow.send.onSendme();
        return this.packaging.makeReady(stream);
      case "XOFF":
        return this.ignoresXonXoff ? undefined : stream.flow.send.onXoff();
      case "XON":
        if (this.ignoresXonXoff) return;
        stream.flow.send.onXon(XonRate(message.kilobytesPerSecond), now);
        return this.packaging.makeReady(stream);
      case "CONNECTED":
      case "RESOLVED":
        return this.opening.onAnswer(stream, message);
      default:
        throw new CircuitProtocolError({ where: message._tag, detail: "is no message of a stream" });
    }
  }

  /**
   * Reads a message; `undefined` if it was a request that is malformed, which was answered: the circuit is not to blame. With the ID
   * of a stream that is there it is dropped, as every other request: an answer would be taken for that stream's.
   */
  private readMessage(view: RelayMessageView): ForwardMessage | BackwardMessage | undefined {
    try {
      return this.read(view);
    } catch (cause) {
      if (!(cause instanceof CellError) || this.options.role !== "exit") throw cause;
      const isKnown = this.map.get(view.streamId) !== undefined;
      const unresolvable = cause.problem === "destination";
      switch (view.command) {
        case RelayCommand.BEGIN: {
          if (isKnown) return undefined;
          const reason = unresolvable ? EndReason.RESOLVEFAILED : EndReason.TORPROTOCOL;
          this.map.reply(view.streamId, { _tag: "END", reason, resolved: undefined });
          return undefined;
        }
        case RelayCommand.RESOLVE:
          if (isKnown) return undefined;
          this.map.reply(view.streamId, {
            _tag: "RESOLVED",
            answers: [{ _tag: "ERROR", transient: false, ttl: 0 }],
          });
          return undefined;
        default:
          // For a stream that is not there it is dropped, whatever it is.
          if (isKnown) throw cause;
          this.map.strayMessages++;
          return undefined;
      }
    }
  }

  private onEnd(stream: Stream, message: End): void {
    this.map.remove(stream);
    stream.cancel?.();
    this.map.letGo(stream, message);
  }
}
