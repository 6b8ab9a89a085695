import type { Connected, End, Resolved } from "@allium/cell";
import { type Connection, releaseBytes } from "@allium/channel";
import { type MemoryAccount, QueueAge } from "@allium/kernel";
import type { StreamFlow } from "../flow/index.ts";

/** Whoever asked for a stream (a client's application) learns of its fate here. */
export interface StreamRequester {
  readonly onConnected: (message: Connected) => void;
  readonly onResolved: (message: Resolved) => void;
  /**
   * The stream ended, by the other side or with the circuit. Called once; nothing follows. All that came for its connection is
   * written to it, and to end it is the requester's affair.
   */
  readonly onEnd: (message: End) => void;
}

/**
 * `opening`: what an incoming stream asked for is not there yet. `requested`: the other side has not answered yet. `open`:
 * bytes flow. `ended`: the stream is off the table.
 */
export type StreamState = "opening" | "requested" | "open" | "ended";

/** One stream of one hop. Owned by the stream table. */
export class Stream {
  readonly id: number;
  readonly flow: StreamFlow;
  readonly requester: StreamRequester | undefined;
  /** What answers a stream that this side asked for. */
  readonly expects: "CONNECTED" | "RESOLVED" | undefined;
  state: StreamState;
  /** The local end: an exit's socket, a directory's or an application's pipe. */
  connection: Connection | undefined = undefined;
  /** Gives up what `opening` waits for. */
  cancel: (() => void) | undefined = undefined;
  /** In the list of streams whose connection changed. */
  dirty = false;
  /** In the list of streams that may have bytes to package. */
  ready = false;
  /** How much of what waits for the application is in the table's count. */
  counted = 0;
  /** What waits in either direction, as the account of memory knows it. */
  private charged = 0;
  /** Bytes that have ever come for the application, and that have ever been packaged. */
  private received = 0;
  private packaged = 0;
  private readonly receivedAge = new QueueAge();
  private readonly sendableAge = new QueueAge();
  /** What was read from the connection and not packaged yet. */
  private chunk: Buffer | undefined = undefined;
  /** Where the unpackaged rest of the chunk begins. */
  offset = 0;
  /** Bytes that came in and wait to be handed over at the end of this train. */
  private gathered: Buffer | undefined = undefined;
  private gatheredBytes = 0;
  /** What was handed over, and may not have left yet. */
  private handed: Array<Buffer> = NONE;
  /** Bytes that came in before the connection was there. */
  private early: Array<Buffer> = [];
  private earlyBytes = 0;
  /** What the connection had pending when we last looked. */
  private knownPending = 0;

  constructor(
    id: number,
    state: StreamState,
    flow: StreamFlow,
    request: { readonly requester: StreamRequester; readonly expects: "CONNECTED" | "RESOLVED" } | undefined,
  ) {
    this.id = id;
    this.state = state;
    this.flow = flow;
    this.requester = request?.requester;
    this.expects = request?.expects;
  }

  /** Whether bytes wait to be handed over at the end of this train. */
  get hasGathered(): boolean {
    return this.gathered !== undefined;
  }

  /** Bytes that came in for the application and that it has not taken. */
  get buffered(): number {
    return this.earlyBytes + this.gatheredBytes + (this.connection?.pending ?? 0);
  }

  /** Bytes that the application has for the other side. */
  get sendable(): number {
    const rest = this.chunk === undefined ? 0 : this.chunk.length - this.offset;
    return rest + (this.connection?.readable ?? 0);
  }

  /** Brings the account up to date with what waits here in either direction. */
  charge(memory: MemoryAccount): void {
    const { buffered, sendable, received, packaged } = this;
    const place = memory.adjust(buffered + sendable - this.charged);
    this.charged = buffered + sendable;
    this.receivedAge.note(received - buffered, received, place);
    this.sendableAge.note(packaged, packaged + sendable, place);
  }

  /** Takes the stream's bytes off the account. */
  discharge(memory: MemoryAccount): void {
    memory.adjust(-this.charged);
    this.charged = 0;
  }

  /** The place in line of the oldest bytes that wait here; infinite if none do. */
  oldest(): number {
    const { buffered, sendable, received, packaged } = this;
    return Math.min(
      (buffered > 0 ? this.receivedAge.oldest(received - buffered) : undefined) ?? Number.POSITIVE_INFINITY,
      (sendable > 0 ? this.sendableAge.oldest(packaged) : undefined) ?? Number.POSITIVE_INFINITY,
    );
  }

  /** Copies bytes of a DATA cell out of its slab. `cellsLeft` is how many cells the train has from this one on. */
  gather(bytes: Buffer, start: number, end: number, cellsLeft: number): void {
    const length = end - start;
    if (this.gathered !== undefined && this.gatheredBytes + length > this.gathered.length) this.handOver();
    this.gathered ??= Buffer.allocUnsafe(Math.max(length, cellsLeft * length));
    bytes.copy(this.gathered, this.gatheredBytes, start, end);
    this.gatheredBytes += length;
    this.received += length;
  }

  /** Hands what was gathered to the application, in one write. */
  handOver(): void {
    if (this.gathered === undefined) return;
    const { gathered } = this;
    const bytes = gathered.subarray(0, this.gatheredBytes);
    this.gathered = undefined;
    this.gatheredBytes = 0;
    if (this.connection === undefined) {
      this.early.push(bytes);
      this.earlyBytes += bytes.length;
      return;
    }
    this.knownPending += bytes.length;
    // What is another's from then on comes back from whoever reads it.
    if (this.connection.handOver !== undefined) return this.connection.handOver(bytes);
    this.connection.write(bytes);
    // If the connection never runs dry, the oldest are left to the garbage collector.
    if (this.handed.length === 0 || this.handed.length === MAX_HANDED) this.handed = [gathered];
    else this.handed.push(gathered);
  }

  /** The connection is there: it gets what came early. */
  attach(connection: Connection): void {
    this.connection = connection;
    for (const bytes of this.early) connection.write(bytes);
    this.knownPending = this.earlyBytes;
    this.early = [];
    this.earlyBytes = 0;
  }

  /** How many bytes the application has taken since the last call. */
  takeDrained(): number {
    const pending = this.connection?.pending ?? 0;
    const drained = this.knownPending - pending;
    this.knownPending = pending;
    if (pending === 0 && this.handed.length > 0 && this.connection?.status !== "closed") {
      for (const bytes of this.handed) releaseBytes(bytes);
      this.handed = NONE;
    }
    return drained;
  }

  /** The bytes to package next begin at `offset` of this chunk; `undefined` if there are none. */
  peek(): Buffer | undefined {
    if (this.chunk === undefined) {
      this.chunk = this.connection?.read();
      this.offset = 0;
    }
    return this.chunk;
  }

  /** Bytes of the present chunk up to `offset` were packaged. */
  advance(offset: number): void {
    this.packaged += offset - this.offset;
    if (offset !== this.chunk?.length) {
      this.offset = offset;
      return;
    }
    releaseBytes(this.chunk);
    this.chunk = undefined;
  }

  /** Lets go of all that waits; what the application has not got yet is written to it first. */
  release(): void {
    this.handOver();
    this.chunk = undefined;
    this.early = [];
    this.earlyBytes = 0;
  }
}

/** Shared by all that have handed nothing over. */
const NONE: Array<Buffer> = [];

/** Most buffers that are remembered until they have left. */
const MAX_HANDED = 16;
