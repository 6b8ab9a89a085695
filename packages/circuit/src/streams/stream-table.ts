import type { Begin, BeginDir, Resolve } from "@allium/cell";
import type { Connection } from "@allium/channel";
import type { Micros } from "../congestion/index.ts";
import type { StreamBatch, StreamTrain } from "../messages.ts";
import type { Streams } from "../stream-path.ts";
import { Delivery } from "./delivery.ts";
import { Opening } from "./opening.ts";
import { Packaging } from "./packaging.ts";
import type { Stream, StreamRequester } from "./stream.ts";
import { StreamMap } from "./stream-map.ts";
import type { StreamTableOptions } from "./stream-table-options.ts";

/**
 * The streams of one hop: opening, delivery, flow control, packaging in turn, closing. Without fibers: a reactor feeds it
 * trains and takes batches. Reading and writing may be two reactors, since nothing here waits.
 */
export class StreamTable implements Streams {
  private readonly options: StreamTableOptions;
  private readonly map: StreamMap;
  private readonly packaging: Packaging;
  private readonly opening: Opening;
  private readonly delivery: Delivery;
  /** Streams whose connection changed. */
  private dirty: Array<Stream> = [];

  constructor(options: StreamTableOptions) {
    this.options = options;
    this.map = new StreamMap(options);
    this.packaging = new Packaging(options, this.map);
    this.opening = new Opening(options, this.map, {
      attach: (stream, connection) => this.attach(stream, connection),
      makeReady: (stream) => this.packaging.makeReady(stream),
    });
    this.delivery = new Delivery(options, this.map, this.opening, this.packaging);
  }

  /** Open streams, those that are being opened included. */
  get size(): number {
    return this.map.size;
  }

  /** Bytes that wait for the applications. */
  get bufferedBytes(): number {
    return this.map.bufferedBytes;
  }

  /** Bytes that wait here in either direction, answers among them. Walks over the streams. */
  get heldBytes(): number {
    let sum = this.map.replies.bytes;
    for (const stream of this.map.values()) sum += stream.buffered + stream.sendable;
    return sum;
  }

  /** The place in line of the oldest bytes that wait here; `undefined` if none do. Walks over the streams. */
  oldest(): number | undefined {
    let oldest = this.map.replies.oldest();
    for (const stream of this.map.values()) oldest = Math.min(oldest, stream.oldest());
    return oldest === Number.POSITIVE_INFINITY ? undefined : oldest;
  }

  /** Messages dropped because their stream is not there (any more). */
  get strayMessages(): number {
    return this.map.strayMessages;
  }

  /** While true no train may be delivered: an application does not read, or answers do not leave. */
  get blocked(): boolean {
    return this.map.blocked;
  }

  /**
   * Handles a run of cells with stream messages.
   * @throws CircuitProtocolError, CellError, FlowError, CircuitLimit: the circuit is to be closed
   */
  deliver(train: StreamTrain): void {
    this.delivery.deliver(train);
  }

  /**
   * Asks the hop for a stream. Bytes of `connection` are sent once it is connected.
   * @returns the stream's ID, or `undefined` if all are in use
   */
  request(
    message: Begin | BeginDir | Resolve,
    connection: Connection | undefined,
    requester: StreamRequester,
  ): number | undefined {
    return this.opening.request(message, connection, requester);
  }

  /** Ends a stream from this side, if it is (still) there. Its requester is not told. */
  close(id: number, reason: number): void {
    const stream = this.map.get(id);
    if (stream !== undefined) this.map.close(stream, reason);
  }

  private attach(stream: Stream, connection: Connection): void {
    stream.attach(connection);
    connection.onChange(() => this.markDirty(stream));
    this.markDirty(stream);
    this.map.watch(stream);
  }

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
      if (drained > 0) this.map.answer(stream, stream.flow.receive.onDrained(drained, stream.buffered, now));
      this.map.watch(stream);
      this.packaging.makeReady(stream);
    }
  }

  /** When `collect` may have more although nothing happens until then: a stream's rate is limited. */
  alarm(): Micros | undefined {
    return this.packaging.alarm();
  }

  /** Streams whose rate allows more now are ready again. */
  onAlarm(): void {
    this.packaging.onAlarm();
  }

  /** What is ready to be sent, as one train; `undefined` if nothing is, or the circuit's window has no room. */
  collect(): StreamBatch | undefined {
    return this.packaging.collect();
  }

  /** The circuit ends: what came for the applications is handed over, their connections are closed. */
  closeAll(reason: number): void {
    this.map.closeAll(reason);
    this.clear();
  }

  /** The circuit is ended for its memory: connections are closed at once, with all that waits. */
  dropAll(reason: number): void {
    this.map.dropAll(reason);
    this.clear();
  }

  private clear(): void {
    this.packaging.clear();
    this.dirty = [];
  }
}
