import { type End, EndReason, RelayCommand, type RelayMessage } from "@allium/cell";
import type { Micros } from "../congestion/index.ts";
import { type FlowAnswer, streamFlow } from "../flow/index.ts";
import { HalfStreams } from "./half-streams.ts";
import { ReplyQueue } from "./reply-queue.ts";
import { Stream, type StreamRequester } from "./stream.ts";
import type { StreamTableOptions } from "./stream-table-options.ts";

/** The streams of a hop by their IDs, the account of what waits for their applications, and the messages that they answer. */
export class StreamMap {
  /** Messages that go out before any data. */
  readonly replies: ReplyQueue;
  /** Messages dropped because their stream is not there (any more). */
  strayMessages = 0;
  private readonly options: StreamTableOptions;
  private readonly streams = new Map<number, Stream>();
  private readonly half = new HalfStreams();
  /** Streams whose application buffer is above its bound. */
  private readonly full = new Set<Stream>();
  private held = 0;
  private nextId: number;

  constructor(options: StreamTableOptions) {
    this.options = options;
    this.replies = new ReplyQueue(options.memory);
    this.nextId = options.firstStreamId;
  }

  /** Streams on the map, those that are being opened included. */
  get size(): number {
    return this.streams.size;
  }

  /** Bytes that wait for the applications. */
  get bufferedBytes(): number {
    return this.held;
  }

  /** While true no train may be delivered: an application does not read, or answers do not leave. */
  get blocked(): boolean {
    return this.full.size > 0 || this.held > this.options.hopBufferBytes || this.replies.length >= MAX_REPLIES;
  }

  get(id: number): Stream | undefined {
    return this.streams.get(id);
  }

  values(): Iterable<Stream> {
    return this.streams.values();
  }

  /** Puts a new stream on the map. */
  add(
    id: number,
    state: "opening" | "requested",
    request?: { readonly requester: StreamRequester; readonly expects: "CONNECTED" | "RESOLVED" },
  ): Stream {
    const { flow, flowParams, role } = this.options;
    const stream = new Stream(id, state, streamFlow(flow.sending, flowParams, role), request);
    this.streams.set(id, stream);
    return stream;
  }

  /** Takes a stream off the map. What waits for its application is from now on that one's affair. */
  remove(stream: Stream): void {
    if (stream.state === "ended") return;
    stream.state = "ended";
    this.streams.delete(stream.id);
    this.full.delete(stream);
    this.held -= stream.counted;
    stream.counted = 0;
    if (this.options.memory !== undefined) stream.discharge(this.options.memory);
  }

  /** Counts what waits for a stream's application now, and from it. */
  watch(stream: Stream): void {
    if (stream.state === "ended") return;
    const { buffered } = stream;
    this.held += buffered - stream.counted;
    stream.counted = buffered;
    if (this.options.memory !== undefined) stream.charge(this.options.memory);
    if (buffered > this.options.streamBufferBytes) this.full.add(stream);
    else this.full.delete(stream);
  }

  /** Ends a stream from this side, and says so: a client without the reason, which is none of its hop's affair, as `tor` does. */
  close(stream: Stream, reason: number): void {
    const awaitsAnswer = stream.state === "requested";
    this.remove(stream);
    stream.cancel?.();
    // Only a client minds what comes for streams that are no more.
    if (this.options.role === "client") this.half.add(stream.id, { flow: stream.flow, awaitsAnswer });
    this.reply(stream.id, {
      _tag: "END",
      reason: this.options.role === "client" ? EndReason.MISC : reason,
      resolved: undefined,
    });
    this.letGo(stream, undefined);
  }

  /**
   * Hands a stream's connection, with all that came for it, to whoever sends the rest and closes it.
   *
   * @param end how the other side or the circuit ended it; `undefined` if it was this side
   */
  letGo(stream: Stream, end: End | undefined): void {
    stream.release();
    if (stream.requester !== undefined && end !== undefined) stream.requester.onEnd(end);
    else if (stream.connection !== undefined) this.options.opener.linger(stream.connection);
  }

  /**
   * A message came for a stream that is not on the map. A relay drops it, as `tor` does; a client accepts only what it can
   * explain.
   * @throws CircuitProtocolError, FlowError
   */
  onStray(id: number, command: number, now: Micros): void {
    this.strayMessages++;
    if (this.options.role === "client") this.half.absorb(id, command, now);
  }

  /** An ID for a new stream of ours; `undefined` if there are too many. */
  allocateId(): number | undefined {
    if (this.streams.size >= this.options.maxStreams) return undefined;
    for (let attempt = 0; attempt < 0x10000; attempt++) {
      const id = this.nextId;
      this.nextId = (id % 0xffff) + 1;
      if (!this.streams.has(id) && !this.half.has(id)) return id;
    }
    return undefined;
  }

  /** Sends a message of a stream, before any data. */
  reply(streamId: number, message: RelayMessage): void {
    this.replies.push({ streamId, message });
    this.options.wake();
  }

  /** Sends what a stream's flow control asks for. */
  answer(stream: Stream, answer: FlowAnswer | undefined): void {
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

  /** The circuit ends: what came for the applications is handed over, their connections are closed. */
  closeAll(reason: number): void {
    this.endAll((stream) => this.letGo(stream, { _tag: "END", reason, resolved: undefined }));
  }

  /** The circuit is ended for its memory: connections are reset at once, with all that waits: what has come is not all. */
  dropAll(reason: number): void {
    this.endAll((stream) => {
      stream.connection?.reset();
      stream.requester?.onEnd({ _tag: "END", reason, resolved: undefined });
    });
  }

  private endAll(leave: (stream: Stream) => void): void {
    for (const stream of [...this.streams.values()]) {
      this.remove(stream);
      stream.cancel?.();
      leave(stream);
    }
    this.replies.clear();
  }
}

/** Answers that may wait before no more trains are taken. */
const MAX_REPLIES = 256;

/** Whether a message asks for a stream. */
export const opensStream = (command: number): boolean =>
  command === RelayCommand.BEGIN || command === RelayCommand.BEGIN_DIR || command === RelayCommand.RESOLVE;
