import {
  type BackwardMessage,
  type Begin,
  type BeginDir,
  CellError,
  type End,
  EndReason,
  type ForwardMessage,
  type RelayCellFormat,
  type RelayCellReader,
  RelayCommand,
  type RelayMessage,
  type RelayMessageView,
  type Resolve,
  readBackwardMessage,
  readForwardMessage,
  writeRelayMessage,
} from "@allium/cell";
import { type Connection, slabBytes, type TransportErrorKind } from "@allium/channel";
import { Effect } from "effect";
import type { Micros } from "../congestion/index.ts";
import { CircuitProtocolError } from "../errors.ts";
import { type FlowAnswer, type FlowParams, type StreamRole, streamFlow, XonRate } from "../flow/index.ts";
import type { HopFlow } from "../hop.ts";
import type { StreamBatch, StreamTrain } from "../messages.ts";
import { HalfStreams } from "./half-streams.ts";
import type { OpenedStream, StreamOpener, StreamRefusal } from "./opener.ts";
import { Stream, type StreamRequester } from "./stream.ts";

/** What a stream table stands on. */
export interface StreamTableOptions {
  readonly hop: number;
  readonly flow: HopFlow;
  readonly flowParams: FlowParams;
  /** `exit` answers streams, `client` asks for them. */
  readonly role: StreamRole;
  readonly format: RelayCellFormat;
  readonly opener: StreamOpener;
  readonly maxTrain: number;
  readonly maxStreams: number;
  readonly streamBufferBytes: number;
  readonly now: () => Micros;
  /** Wakes the reactor that collects and settles. */
  readonly wake: () => void;
  /** Runs an effect with the circuit's fate; returns how to give it up. */
  readonly fork: (effect: Effect.Effect<void>) => () => void;
}

interface Reply {
  readonly streamId: number;
  readonly message: RelayMessage;
}

// Where each message of a stream goes:
//
// | message | role | handled in | effect |
// | --- | --- | --- | --- |
// | BEGIN, BEGIN_DIR | exit | onBegin | opens; CONNECTED or END follows |
// | RESOLVE | exit | onResolve | RESOLVED follows |
// | CONNECTED, RESOLVED | client | onAnswer | the requester is told |
// | DATA | both | onData | gathered, written to the connection at the end of the train |
// | END | both | onEnd | what came before is delivered, then the stream is off the table |
// | SENDME, XON, XOFF | both | flow control of the stream | may make it ready again |

/**
 * The streams of one hop: opening, delivery, flow control, packaging in turn, closing. Without fibers: a reactor feeds it
 * trains and takes batches. Reading and writing may be two reactors, since nothing here waits.
 */
export class StreamTable {
  private readonly options: StreamTableOptions;
  private readonly reader: RelayCellReader;
  private readonly read: (view: RelayMessageView) => ForwardMessage | BackwardMessage;
  private readonly streams = new Map<number, Stream>();
  private readonly half = new HalfStreams();
  private readonly replies: Array<Reply> = [];
  private ready: Array<Stream> = [];
  private dirty: Array<Stream> = [];
  private readonly touched: Array<Stream> = [];
  /** Streams whose application buffer is above the bound. */
  private readonly congested = new Set<Stream>();
  private nextId: number;
  /** Messages dropped because their stream is not there (any more). */
  strayMessages = 0;

  constructor(options: StreamTableOptions & { readonly firstStreamId: number }) {
    this.options = options;
    this.reader = options.format.makeReader();
    this.read = options.role === "exit" ? readForwardMessage : readBackwardMessage;
    this.nextId = options.firstStreamId;
  }

  /** Open streams, those that are being opened included. */
  get size(): number {
    return this.streams.size;
  }

  /** Bytes that wait for the applications. */
  get bufferedBytes(): number {
    let sum = 0;
    for (const stream of this.streams.values()) sum += stream.buffered;
    return sum;
  }

  /** While true no train may be delivered: an application does not read, or answers do not leave. */
  get blocked(): boolean {
    return this.congested.size > 0 || this.replies.length >= MAX_REPLIES;
  }

  // --- in -----------------------------------------------------------------------------------------------------------

  /**
   * Handles a run of cells with stream messages.
   * @throws CircuitProtocolError, CellError, FlowError: the circuit is to be closed
   */
  deliver(train: StreamTrain): void {
    const { reader, touched } = this;
    const now = this.options.now();
    for (let index = train.from; index < train.to; index++) {
      reader.reset(train.slab, index);
      while (reader.next()) {
        if (reader.command === RelayCommand.DATA) this.onData(reader, train.to - index, now);
        else this.onMessage(reader, now);
      }
    }
    for (const stream of touched) {
      stream.handOver();
      this.watchBuffer(stream);
    }
    touched.length = 0;
  }

  private onData(view: RelayMessageView, cellsLeft: number, now: Micros): void {
    const stream = this.streams.get(view.streamId);
    if (stream === undefined) return this.onStray(view);
    if (stream.state === "requested") {
      throw new CircuitProtocolError({ where: "DATA", detail: `stream ${stream.id} is not connected` });
    }
    if (view.end > view.start) {
      stream.gather(view.bytes, view.start, view.end, cellsLeft);
      this.touched.push(stream);
    }
    this.answer(stream, stream.flow.receive.onDataReceived(stream.buffered, now));
  }

  private onMessage(view: RelayMessageView, now: Micros): void {
    const message = this.readMessage(view);
    if (message === undefined) return;
    switch (message._tag) {
      case "BEGIN":
      case "BEGIN_DIR":
        return this.onBegin(view.streamId, message);
      case "RESOLVE":
        return this.onResolve(view.streamId, message);
      case "UNRECOGNIZED":
        return;
      default:
        break;
    }
    const stream = this.streams.get(view.streamId);
    if (stream === undefined) return this.onStray(view);
    switch (message._tag) {
      case "END":
        return this.onEnd(stream, message);
      case "SENDME":
        stream.flow.send.onSendme();
        return this.makeReady(stream);
      case "XOFF":
        return stream.flow.send.onXoff();
      case "XON":
        stream.flow.send.onXon(XonRate(message.kilobytesPerSecond), now);
        return this.makeReady(stream);
      case "CONNECTED":
      case "RESOLVED":
        return this.onAnswer(stream, message);
      default:
        throw new CircuitProtocolError({ where: message._tag, detail: "is no message of a stream" });
    }
  }

  /** Reads a message; `undefined` if it was a request that is malformed, which was answered: the circuit is not to blame. */
  private readMessage(view: RelayMessageView): ForwardMessage | BackwardMessage | undefined {
    try {
      return this.read(view);
    } catch (cause) {
      if (!(cause instanceof CellError) || this.options.role !== "exit") throw cause;
      const unresolvable = cause.problem === "destination";
      switch (view.command) {
        case RelayCommand.BEGIN: {
          const reason = unresolvable ? EndReason.RESOLVEFAILED : EndReason.TORPROTOCOL;
          this.reply(view.streamId, { _tag: "END", reason, resolved: undefined });
          return undefined;
        }
        case RelayCommand.RESOLVE:
          this.reply(view.streamId, { _tag: "RESOLVED", answers: [{ _tag: "ERROR", transient: false, ttl: 0 }] });
          return undefined;
        default:
          throw cause;
      }
    }
  }

  /** A relay drops what it does not know the stream of, as `tor` does; a client accepts only what it can explain. */
  private onStray(view: RelayMessageView): void {
    this.strayMessages++;
    if (this.options.role === "client") this.half.absorb(view.streamId, view.command);
  }

  private onBegin(id: number, message: Begin | BeginDir): void {
    // A second BEGIN on a stream is dropped, as `tor` does.
    if (this.streams.has(id)) return;
    if (this.streams.size >= this.options.maxStreams) {
      this.reply(id, { _tag: "END", reason: EndReason.RESOURCELIMIT, resolved: undefined });
      return;
    }
    const { opener } = this.options;
    const stream = this.add(id, "opening", undefined);
    const open = message._tag === "BEGIN" ? opener.begin(message) : opener.beginDirectory;
    this.run(stream, open, (opened) => this.onOpened(stream, opened));
  }

  private onResolve(id: number, message: Resolve): void {
    if (this.streams.has(id)) return;
    if (this.streams.size >= this.options.maxStreams) {
      this.reply(id, { _tag: "RESOLVED", answers: [{ _tag: "ERROR", transient: true, ttl: 0 }] });
      return;
    }
    const stream = this.add(id, "opening", undefined);
    this.run(stream, this.options.opener.resolve(message), (answers) => {
      this.remove(stream);
      this.reply(id, { _tag: "RESOLVED", answers });
    });
  }

  private run<A>(stream: Stream, effect: Effect.Effect<A, StreamRefusal>, done: (value: A) => void): void {
    stream.cancel = this.options.fork(
      Effect.match(effect, {
        onSuccess: (value) => {
          stream.cancel = undefined;
          done(value);
        },
        onFailure: (refusal) => {
          stream.cancel = undefined;
          this.remove(stream);
          this.reply(stream.id, refusal.end);
        },
      }),
    );
  }

  private onOpened(stream: Stream, opened: OpenedStream): void {
    if (stream.state === "ended") {
      opened.connection.destroy();
      return;
    }
    stream.state = "open";
    this.attach(stream, opened.connection);
    this.reply(stream.id, opened.connected);
  }

  private attach(stream: Stream, connection: Connection): void {
    stream.attach(connection);
    connection.onChange(() => this.markDirty(stream));
    this.markDirty(stream);
    this.watchBuffer(stream);
  }

  private onAnswer(stream: Stream, message: Extract<BackwardMessage, { _tag: "CONNECTED" | "RESOLVED" }>): void {
    if (stream.state !== "requested" || stream.requester === undefined) {
      throw new CircuitProtocolError({ where: message._tag, detail: `stream ${stream.id} did not wait for it` });
    }
    if (message._tag === "RESOLVED") {
      this.remove(stream);
      stream.requester.onResolved(message);
      return;
    }
    stream.state = "open";
    stream.requester.onConnected(message);
    if (stream.connection !== undefined) this.makeReady(stream);
  }

  private onEnd(stream: Stream, message: End): void {
    this.remove(stream);
    stream.cancel?.();
    stream.handOver();
    if (stream.connection !== undefined) this.options.opener.linger(stream.connection);
    stream.requester?.onEnd(message);
  }

  // --- asking for streams (client) ----------------------------------------------------------------------------------

  /**
   * Asks the hop for a stream. Bytes of `connection` are sent once it is connected.
   * @returns the stream's ID, or `undefined` if all are in use
   */
  request(
    message: Begin | BeginDir | Resolve,
    connection: Connection | undefined,
    requester: StreamRequester,
  ): number | undefined {
    const id = this.allocateId();
    if (id === undefined) return undefined;
    const stream = this.add(id, "requested", requester);
    if (connection !== undefined) this.attach(stream, connection);
    this.reply(id, message);
    return id;
  }

  private allocateId(): number | undefined {
    if (this.streams.size >= this.options.maxStreams) return undefined;
    for (let attempt = 0; attempt < 0x10000; attempt++) {
      const id = this.nextId;
      this.nextId = (id % 0xffff) + 1;
      if (!this.streams.has(id) && !this.half.has(id)) return id;
    }
    return undefined;
  }

  // --- connections --------------------------------------------------------------------------------------------------

  private markDirty(stream: Stream): void {
    if (stream.dirty || stream.state === "ended") return;
    stream.dirty = true;
    this.dirty.push(stream);
    this.options.wake();
  }

  /** Looks at the connections that changed: what the application took, what it has, whether it ended. */
  settle(): void {
    if (this.dirty.length === 0) return;
    const now = this.options.now();
    const changed = this.dirty;
    this.dirty = [];
    for (const stream of changed) {
      stream.dirty = false;
      if (stream.state === "ended" || stream.connection === undefined) continue;
      const drained = stream.takeDrained();
      if (drained > 0) this.answer(stream, stream.flow.receive.onDrained(drained, stream.buffered, now));
      this.watchBuffer(stream);
      if (stream.state === "open") this.makeReady(stream);
    }
  }

  private watchBuffer(stream: Stream): void {
    if (stream.buffered > this.options.streamBufferBytes) this.congested.add(stream);
    else this.congested.delete(stream);
  }

  private makeReady(stream: Stream): void {
    if (stream.ready || stream.state !== "open") return;
    stream.ready = true;
    this.ready.push(stream);
    this.options.wake();
  }

  // --- out ----------------------------------------------------------------------------------------------------------

  /** When `collect` may have more although nothing happens until then: a stream's rate is limited. */
  alarm(): Micros | undefined {
    const now = this.options.now();
    let earliest: Micros | undefined;
    for (const stream of this.streams.values()) {
      if (stream.state !== "open" || stream.ready || stream.sendable === 0) continue;
      const at = stream.flow.send.roomAt(now);
      if (at !== undefined && (earliest === undefined || at < earliest)) earliest = at;
    }
    return earliest;
  }

  /** Streams whose rate allows more now are ready again. */
  onAlarm(): void {
    for (const stream of this.streams.values()) if (stream.sendable > 0) this.makeReady(stream);
  }

  /** What is ready to be sent, as one train; `undefined` if nothing is, or the circuit's window has no room. */
  collect(): StreamBatch | undefined {
    const { maxTrain, flow, hop, format } = this.options;
    const room = flow.budget.room;
    const count = Math.min(maxTrain, this.replies.length + this.countDataCells(Math.min(room, maxTrain)));
    if (count === 0) {
      if (room > 0) this.reapReady();
      return undefined;
    }
    const slab = Buffer.allocUnsafe(slabBytes(count));
    let index = 0;
    while (index < count) {
      const reply = this.replies.shift();
      if (reply === undefined) break;
      writeRelayMessage(format, slab, index++, reply.streamId, reply.message);
    }
    index = this.packageData(slab, index, count);
    return { hop, count: index, slab: index === count ? slab : slab.subarray(0, slabBytes(index)) };
  }

  /** At most how many DATA cells the ready streams can fill, up to `most`. */
  private countDataCells(most: number): number {
    let cells = 0;
    for (const stream of this.ready) {
      if (cells >= most) return most;
      // A chunk's last bytes take a cell of their own.
      const sendable = stream.sendable;
      if (sendable > 0) cells += Math.ceil(sendable / this.options.format.maxDataLength) + 1;
    }
    return Math.min(cells, most);
  }

  private packageData(slab: Buffer, from: number, to: number): number {
    const { flow, format } = this.options;
    const now = this.options.now();
    let index = from;
    while (index < to) {
      const stream = this.ready.shift();
      if (stream === undefined) break;
      stream.ready = false;
      if (stream.state !== "open") continue;
      let allowed = Math.min(stream.flow.send.room(now), TURN_CELLS, to - index);
      while (allowed > 0) {
        const chunk = stream.peek();
        if (chunk === undefined) break;
        const start = stream.offset;
        const end = Math.min(start + format.maxDataLength, chunk.length);
        format.writeMessage(slab, index, RelayCommand.DATA, stream.id, chunk, start, end);
        stream.advance(end);
        index++;
        allowed--;
        flow.budget.packaged++;
        stream.flow.send.onDataSent(end - start, now);
      }
      if (stream.sendable === 0) this.reap(stream);
      else if (stream.flow.send.room(now) > 0) this.makeReady(stream);
    }
    return index;
  }

  /** Ready streams that have nothing to send any more may have ended. */
  private reapReady(): void {
    const waiting = this.ready;
    this.ready = [];
    for (const stream of waiting) {
      stream.ready = false;
      if (stream.state !== "open") continue;
      if (stream.sendable === 0) this.reap(stream);
      else if (stream.flow.send.room(this.options.now()) > 0) this.makeReady(stream);
    }
  }

  /** The application has nothing more: if it ended, so does the stream. */
  private reap(stream: Stream): void {
    const { connection } = stream;
    if (connection === undefined || connection.status === "open" || stream.sendable > 0) return;
    const reason = connection.failure === undefined ? EndReason.DONE : endReasonOfFailure(connection.failure.kind);
    this.closeLocally(stream, reason);
  }

  /** Ends a stream from this side. */
  closeLocally(stream: Stream, reason: number): void {
    const awaitsAnswer = stream.state === "requested";
    this.remove(stream);
    stream.cancel?.();
    this.half.add(stream.id, { dataCells: HALF_STREAM_DATA_CELLS, sendmes: HALF_STREAM_SENDMES, awaitsAnswer });
    this.reply(stream.id, { _tag: "END", reason, resolved: undefined });
    stream.handOver();
    if (stream.connection !== undefined) this.options.opener.linger(stream.connection);
  }

  // --- end ----------------------------------------------------------------------------------------------------------

  /** The circuit ends: what came for the applications is handed over, their connections are closed. */
  closeAll(endReason: number): void {
    const { opener } = this.options;
    for (const stream of this.streams.values()) {
      stream.state = "ended";
      stream.cancel?.();
      stream.release();
      if (stream.connection !== undefined) opener.linger(stream.connection);
      stream.requester?.onEnd({ _tag: "END", reason: endReason, resolved: undefined });
    }
    this.streams.clear();
    this.congested.clear();
    this.ready = [];
    this.dirty = [];
    this.replies.length = 0;
  }

  private add(id: number, state: "opening" | "requested", requester: StreamRequester | undefined): Stream {
    const { flow, flowParams, role } = this.options;
    const stream = new Stream(id, state, streamFlow(flow.sending, flowParams, role), requester);
    this.streams.set(id, stream);
    return stream;
  }

  private remove(stream: Stream): void {
    stream.state = "ended";
    this.streams.delete(stream.id);
    this.congested.delete(stream);
  }

  private answer(stream: Stream, answer: FlowAnswer | undefined): void {
    if (answer === undefined) return;
    switch (answer._tag) {
      case "Sendme":
        for (let sent = 0; sent < answer.count; sent++) this.reply(stream.id, { _tag: "SENDME", version: 0 });
        return;
      case "Xoff":
        return this.reply(stream.id, { _tag: "XOFF" });
      case "Xon":
        return this.reply(stream.id, { _tag: "XON", kilobytesPerSecond: answer.rate });
    }
  }

  private reply(streamId: number, message: RelayMessage): void {
    this.replies.push({ streamId, message });
    this.options.wake();
  }
}

/** What the other side is told of a connection that broke. */
const endReasonOfFailure = (kind: TransportErrorKind): number => {
  switch (kind) {
    case "reset":
      return EndReason.CONNRESET;
    case "timeout":
      return EndReason.TIMEOUT;
    default:
      return EndReason.MISC;
  }
};

/** Answers that may wait before no more trains are taken. */
const MAX_REPLIES = 256;

/** Cells that one stream packages before the next one's turn. */
const TURN_CELLS = 16;

/** What the other side may have under way when it learns that a stream is closed: one full stream window. */
const HALF_STREAM_DATA_CELLS = 1_000;
const HALF_STREAM_SENDMES = 20;
