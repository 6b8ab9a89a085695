import { type Connection, WrappedConnection } from "@allium/channel";

/** Where a connection gets its tokens. */
export interface TokenSource {
  /** Bytes that may be read now. */
  readonly readable: () => number;
  /** Bytes that may be written now. */
  readonly writable: () => number;
  readonly tookRead: (bytes: number) => void;
  readonly tookWritten: (bytes: number) => void;
  /** Asks for a turn when there are tokens again. */
  readonly wait: (connection: LimitedConnection, side: "read" | "write") => void;
  /** Takes the connection out of the queue. */
  readonly forget: (connection: LimitedConnection) => void;
}

/**
 * A connection whose bytes take tokens. What may not be read yet stays where it is, until the transport stops reading the socket;
 * what may not be written yet is pending, so that its writer waits.
 */
export class LimitedConnection extends WrappedConnection {
  private readonly tokens: TokenSource;
  /** The rest of a chunk of which only a part could be read. */
  private held: Buffer | undefined;
  private readonly queue: Array<Buffer> = [];
  private queued = 0;
  private ending = false;
  private listener: (() => void) | undefined;

  constructor(inner: Connection, tokens: TokenSource) {
    super(inner);
    this.tokens = tokens;
  }

  override get readable(): number {
    return (this.held?.length ?? 0) + this.inner.readable;
  }

  override get pending(): number {
    return this.status === "closed" ? 0 : this.queued + this.inner.pending;
  }

  override onChange(listener: () => void): void {
    this.listener = listener;
    this.inner.onChange(listener);
  }

  override read(): Buffer | undefined {
    if (this.readable === 0) return undefined;
    const allowed = this.tokens.readable();
    if (allowed === 0) {
      this.tokens.wait(this, "read");
      return undefined;
    }
    const chunk = this.held ?? this.inner.read();
    this.held = undefined;
    if (chunk === undefined) return undefined;
    if (chunk.length <= allowed) {
      this.tokens.tookRead(chunk.length);
      return chunk;
    }
    this.held = chunk.subarray(allowed);
    this.tokens.tookRead(allowed);
    return chunk.subarray(0, allowed);
  }

  override write(bytes: Buffer): void {
    if (bytes.length === 0 || this.status === "closed") return;
    this.queue.push(bytes);
    this.queued += bytes.length;
    this.flush();
  }

  override end(): void {
    this.ending = true;
    if (this.queued === 0) this.inner.end();
  }

  override destroy(): void {
    this.drop();
    this.inner.destroy();
  }

  override reset(): void {
    this.drop();
    this.inner.reset();
  }

  /** There are tokens again: writes what waits, and lets the reader look. */
  onTokens(): void {
    if (this.status === "closed") this.drop();
    else this.flush();
    this.listener?.();
  }

  private drop(): void {
    this.tokens.forget(this);
    this.queue.length = 0;
    this.queued = 0;
  }

  private flush(): void {
    for (let first = this.queue[0]; first !== undefined; first = this.queue[0]) {
      const allowed = this.tokens.writable();
      if (allowed === 0) {
        this.tokens.wait(this, "write");
        return;
      }
      const part = first.length <= allowed ? first : first.subarray(0, allowed);
      if (part === first) this.queue.shift();
      else this.queue[0] = first.subarray(allowed);
      this.queued -= part.length;
      this.tokens.tookWritten(part.length);
      this.inner.write(part);
    }
    if (this.ending) this.inner.end();
  }
}
