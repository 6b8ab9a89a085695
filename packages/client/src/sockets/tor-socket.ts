import { Duplex } from "node:stream";
import type { Connection } from "@allium/channel";
import type { Clock } from "effect";
import { StreamBrokenError } from "./errors.ts";
import { defaultClock, IdleTimer } from "./idle-timer.ts";
import { WRITE_AHEAD_BYTES } from "./limits.ts";
import { HALF_CLOSED_MILLIS } from "./timeouts.ts";

/** How a connection shows as a stream of the platform. */
export interface TorSocketOptions {
  /**
   * Whether either side may go on when the other has ended. Over Tor there is no such thing: an END closes both ways (tor-spec 6.3), and
   * nobody takes what is written after it.
   * @default false
   */
  readonly allowHalfOpen?: boolean;
  /** What its timeouts run on. @default the platform's */
  readonly clock?: Clock.Clock;
}

/** Opens what a socket leads to. */
export type Dial = (signal: AbortSignal) => Promise<Connection>;

type Done = (error?: Error | null) => void;

/**
 * A {@link Connection} as a stream of the platform, with what else libraries expect of its sockets: `connecting`, `setTimeout` and so on.
 *
 * - Reading: bytes stay in the connection until they are asked for, and so its sender is stopped by a reader that pauses.
 * - Writing: a write is done when the connection has let its bytes go; until then {@link WRITE_AHEAD_BYTES} wait here. So a buffer that
 *   was written may be used again.
 * - A failure of the connection is an `error` with a `code`, behind the last byte that came.
 * - `end` says that no more comes. The answer is still received: Tor cannot tell of one end without the other, so the other side hears of
 *   it when it ends too, when the socket is destroyed, or when nothing has come for {@link HALF_CLOSED_MILLIS}.
 * - What a program does in a listener never runs within the reactor that moves the bytes.
 */
export class TorSocket extends Duplex {
  /** Whether it is not open yet. What is written waits. */
  connecting: boolean;
  /** As it was set by `setTimeout`, in milliseconds. */
  timeout: number | undefined = undefined;
  /** Bytes that came and were asked for. */
  bytesRead = 0;
  /** Bytes that were handed to the connection. */
  bytesWritten = 0;
  private connection: Connection | undefined = undefined;
  private readonly dial: Dial | undefined;
  private readonly giveUp = new AbortController();
  private readonly idle: IdleTimer;
  /** Runs from when this side has ended. */
  private readonly halfClosed: IdleTimer;
  /** Whether more is asked for than has been handed on. */
  private wanted = false;
  private pumping = false;
  private scheduled = false;
  private readonly change = () => {
    if (this.scheduled) return;
    this.scheduled = true;
    process.nextTick(this.turn);
  };
  private readonly turn = () => {
    this.scheduled = false;
    this.pump();
    this.settle();
  };
  /** Told when what was written last has left. */
  private writing: Done | undefined = undefined;

  /** @param source what it leads to, or how to get there; the socket destroys it in the end */
  constructor(source: Connection | Dial, options: TorSocketOptions = {}) {
    super({
      allowHalfOpen: options.allowHalfOpen ?? false,
      // What was not asked for is not here but in the connection.
      readableHighWaterMark: 0,
      writableHighWaterMark: WRITE_AHEAD_BYTES,
    });
    const { clock = defaultClock } = options;
    this.idle = new IdleTimer(clock, () => this.emit("timeout"));
    this.halfClosed = new IdleTimer(clock, () => this.leave());
    this.connecting = typeof source === "function";
    this.dial = typeof source === "function" ? source : undefined;
    if (typeof source !== "function") this.attach(source);
    this.once("end", () => this.settle());
  }

  // Opening.

  override _construct(done: Done): void {
    const { signal } = this.giveUp;
    if (this.dial === undefined || signal.aborted) return this.start(done);
    signal.addEventListener("abort", () => done(), { once: true });
    this.open(this.dial, signal).then(
      (connection) => {
        if (signal.aborted) return connection.destroy();
        this.attach(connection);
        this.connecting = false;
        this.idle.touch();
        this.start(done);
        this.emit("connect");
        this.emit("ready");
      },
      (cause: unknown) => {
        if (signal.aborted) return;
        this.connecting = false;
        done(cause instanceof Error ? cause : new Error(String(cause)));
      },
    );
  }

  /** Lets the stream machinery begin. Whoever has asked for something before is forgotten by it if nothing is to be read ahead. */
  private start(done: Done): void {
    done();
    process.nextTick(() => {
      if (this.isBeingRead) this.read(0);
    });
  }

  private async open(dial: Dial, signal: AbortSignal): Promise<Connection> {
    return dial(signal);
  }

  private attach(connection: Connection): void {
    this.connection = connection;
    connection.onChange(this.change);
  }

  // Reading.

  override _read(): void {
    this.wanted = true;
    this.pump();
    this.settle();
  }

  private pump(): void {
    const { connection } = this;
    // A listener may ask for more while it is being given something: that comes behind it.
    if (connection === undefined || this.pumping || this.destroyed) return;
    this.pumping = true;
    try {
      while (this.wanted && !this.destroyed) {
        const chunk = connection.read();
        if (chunk === undefined) {
          this.finishReading(connection);
          return;
        }
        this.bytesRead += chunk.length;
        this.idle.touch();
        this.halfClosed.touch();
        this.wanted = false;
        if (this.push(chunk)) this.wanted = true;
      }
    } finally {
      this.pumping = false;
    }
  }

  /** All that came has been handed on. */
  private finishReading({ status, failure }: Connection): void {
    if (status === "open") return;
    this.wanted = false;
    if (failure !== undefined) this.destroy(new StreamBrokenError(failure));
    else this.push(null);
  }

  // Writing.

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.send([{ chunk }], done);
  }

  override _writev(chunks: ReadonlyArray<{ readonly chunk: Buffer }>, done: Done): void {
    this.send(chunks, done);
  }

  private send(chunks: ReadonlyArray<{ readonly chunk: Buffer }>, done: Done): void {
    for (const { chunk } of chunks) {
      this.connection?.write(chunk);
      this.bytesWritten += chunk.length;
    }
    this.idle.touch();
    this.writing = done;
    this.settle();
  }

  /** Tells whoever wrote what became of it, if that is known. */
  private settle(): void {
    const { connection, writing } = this;
    if (connection === undefined || writing === undefined) return;
    if (connection.status !== "closed" && connection.pending === 0) {
      this.idle.touch();
      this.writing = undefined;
      writing();
      return;
    }
    if (connection.status === "open" || (connection.status === "ended" && this.allowHalfOpen)) return;
    // Nobody takes it any more. That is told behind what came.
    if (connection.readable > 0 || this.readableLength > 0) return;
    if (connection.failure === undefined && this.isBeingRead && !this.readableEnded) return;
    this.writing = undefined;
    writing(new StreamBrokenError(connection.failure));
  }

  private get isBeingRead(): boolean {
    return this.readableFlowing === true || this.listenerCount("readable") > 0;
  }

  override _final(done: Done): void {
    if (this.allowHalfOpen) this.connection?.end();
    else this.halfClosed.set(HALF_CLOSED_MILLIS);
    done();
  }

  /** This side has ended, and nothing has been read for a while. */
  private leave(): void {
    // It may be that the reader is slow, and not the sender.
    if (this.connection !== undefined && this.connection.readable > 0) this.halfClosed.set(HALF_CLOSED_MILLIS);
    else this.connection?.end();
  }

  // The end.

  override destroy(error?: Error): this {
    super.destroy(error);
    // The stream machinery waits for a socket that is being opened.
    this.giveUp.abort();
    return this;
  }

  override _destroy(error: Error | null, done: Done): void {
    this.connecting = false;
    this.idle.set(0);
    this.halfClosed.set(0);
    if (error === null) this.connection?.destroy();
    else this.connection?.reset();
    const { writing } = this;
    this.writing = undefined;
    writing?.(error ?? new StreamBrokenError(undefined));
    done(error);
  }

  /** Sends what was written, then closes. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  // What libraries expect of a socket.

  /** Emits `timeout` when nothing has happened for so many milliseconds; 0 turns it off. */
  setTimeout(millis: number, listener?: () => void): this {
    this.timeout = millis;
    this.idle.set(millis);
    if (listener !== undefined) {
      if (millis === 0) this.off("timeout", listener);
      else this.once("timeout", listener);
    }
    return this;
  }

  /** Without effect: nothing is delayed. */
  setNoDelay(): this {
    return this;
  }

  /** Without effect: circuits are kept alive by their channels. */
  setKeepAlive(): this {
    return this;
  }

  /** Without effect: a process is held by its client. */
  ref(): this {
    return this;
  }

  /** Without effect: a process is held by its client. */
  unref(): this {
    return this;
  }
}

/**
 * An open connection as a stream of the platform; see {@link TorSocket}. From then on the connection is the stream's.
 */
export const connectionDuplex = (connection: Connection, options?: TorSocketOptions): TorSocket =>
  new TorSocket(connection, options);
