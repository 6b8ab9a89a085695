import { EndReason, RelayCommand, writeRelayMessage } from "@allium/cell";
import { slabBytes, type TransportErrorKind, takeSlab } from "@allium/channel";
import type { Micros } from "../congestion/index.ts";
import type { StreamBatch } from "../messages.ts";
import { SendmeRandomness } from "./sendme-randomness.ts";
import type { Stream } from "./stream.ts";
import type { StreamMap } from "./stream-map.ts";
import type { StreamTableOptions } from "./stream-table-options.ts";

/** Packages what streams have ready, in turn, as far as the circuit's window and each stream's flow control allow. */
export class Packaging {
  private readonly options: StreamTableOptions;
  private readonly map: StreamMap;
  private readonly randomness: SendmeRandomness;
  private ready: Array<Stream> = [];
  /** Streams that have bytes but must wait for their rate to allow them. */
  private readonly throttled = new Set<Stream>();

  constructor(options: StreamTableOptions, map: StreamMap) {
    this.options = options;
    this.map = map;
    const { flow, format, below } = options;
    this.randomness = new SendmeRandomness(flow.sending.sendmeInc, format.maxDataLength, below);
  }

  /** A stream may have bytes to package, or may have ended. */
  makeReady(stream: Stream): void {
    if (stream.ready || stream.state !== "open") return;
    stream.ready = true;
    this.ready.push(stream);
    if (this.throttled.size > 0) this.throttled.delete(stream);
    this.options.wake();
  }

  /** When `collect` may have more although nothing happens until then: a stream's rate is limited. */
  alarm(): Micros | undefined {
    if (this.throttled.size === 0) return undefined;
    const now = this.options.now();
    let earliest: Micros | undefined;
    for (const stream of this.throttled) {
      const at = stream.state === "open" ? stream.flow.send.roomAt(now) : undefined;
      if (at === undefined) this.throttled.delete(stream);
      else if (earliest === undefined || at < earliest) earliest = at;
    }
    return earliest;
  }

  /** Streams whose rate may allow more now are ready again. */
  onAlarm(): void {
    const waiting = [...this.throttled];
    this.throttled.clear();
    for (const stream of waiting) this.makeReady(stream);
  }

  /** What is ready to be sent, as one train; `undefined` if nothing is, or the circuit's window has no room. */
  collect(): StreamBatch | undefined {
    const { maxTrain, flow, hop, format, padding } = this.options;
    const { replies } = this.map;
    const room = flow.budget.room;
    const count = Math.min(maxTrain, replies.length + this.countDataCells(Math.min(room, maxTrain)));
    if (count === 0) {
      if (room > 0) this.reapReady();
      return undefined;
    }
    const slab = takeSlab(slabBytes(count));
    let index = 0;
    while (index < count) {
      const reply = replies.shift();
      if (reply === undefined) break;
      writeRelayMessage(format, slab, index++, reply.streamId, reply.message, padding);
    }
    index = this.packageData(slab, index, count);
    return { hop, count: index, slab: index === count ? slab : slab.subarray(0, slabBytes(index)) };
  }

  /** The circuit ends. */
  clear(): void {
    this.ready = [];
    this.throttled.clear();
  }

  /** At most how many DATA cells the ready streams can fill, up to `most`. */
  private countDataCells(most: number): number {
    let cells = 0;
    for (const stream of this.ready) {
      if (cells >= most) return most;
      // A chunk's last bytes take a cell of their own.
      const sendable = stream.sendable;
      if (sendable > 0) cells += ((sendable / this.options.format.maxDataLength) | 0) + 2;
    }
    return Math.min(cells, most);
  }

  private packageData(slab: Buffer, from: number, to: number): number {
    const { flow, format, padding } = this.options;
    const { randomness } = this;
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
        const end = Math.min(start + randomness.limit, chunk.length);
        format.writeMessage(slab, index, RelayCommand.DATA, stream.id, chunk, start, end, padding);
        stream.advance(end);
        index++;
        allowed--;
        flow.budget.packaged++;
        randomness.onPackaged(end - start);
        stream.flow.send.onDataSent(end - start, now);
      }
      this.afterTurn(stream, now);
    }
    return index;
  }

  /** Ready streams that have nothing to send any more may have ended. */
  private reapReady(): void {
    if (this.ready.length === 0) return;
    const waiting = this.ready;
    this.ready = [];
    const now = this.options.now();
    for (const stream of waiting) {
      stream.ready = false;
      if (stream.state === "open") this.afterTurn(stream, now);
    }
  }

  private afterTurn(stream: Stream, now: Micros): void {
    this.map.watch(stream);
    if (stream.sendable === 0) this.reap(stream);
    else if (stream.flow.send.room(now) > 0) this.makeReady(stream);
    else this.throttled.add(stream);
  }

  /** The application has nothing more: if it ended, so does the stream. */
  private reap(stream: Stream): void {
    const { connection } = stream;
    if (connection === undefined || connection.status === "open") return;
    const reason = connection.failure === undefined ? EndReason.DONE : endReasonOfFailure(connection.failure.kind);
    this.map.close(stream, reason);
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

/** Cells that one stream packages before the next one's turn. */
const TURN_CELLS = 16;
