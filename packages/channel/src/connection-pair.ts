import { type Connection, DEFAULT_READ_BUFFER_BYTES, type Endpoint, TransportError } from "./transport.ts";

const NOWHERE: Endpoint = { host: "", port: 0 };

const noListener = () => {};

/** One end of a pair within the process. */
export interface PairedConnection extends Connection {
  readonly handOver: (bytes: Buffer) => void;
  /** As `end`, of what broke: the other end finds the failure behind the last byte. */
  readonly fail: (failure: TransportError) => void;
}

class PairEnd implements PairedConnection {
  readonly remote = NOWHERE;
  readonly local = NOWHERE;
  readonly tls = undefined;
  failure: TransportError | undefined = undefined;
  status: "open" | "ended" | "closed" = "open";
  other: PairEnd | undefined = undefined;
  /** Bytes of the other end that wait to be read here. */
  readable = 0;
  private readonly chunks: Array<Buffer> = [];
  private head = 0;
  /** Bytes of ours that the other end's bound holds back. */
  private readonly held: Array<Buffer> = [];
  private heldBytes = 0;
  private finishing = false;
  private broken: TransportError | undefined = undefined;
  private destroyed = false;
  private listener: () => void = noListener;
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  get pending(): number {
    // What the other end has not read yet has not left: so the writer sees how slow its reader is.
    return this.status === "closed" ? 0 : this.heldBytes + (this.other?.readable ?? 0);
  }

  onChange(listener: () => void): void {
    this.listener = listener;
  }

  read(): Buffer | undefined {
    const chunk = this.chunks[this.head];
    if (chunk === undefined) return undefined;
    this.head++;
    if (this.head === this.chunks.length) {
      this.chunks.length = 0;
      this.head = 0;
    }
    this.readable -= chunk.length;
    this.other?.pump();
    this.other?.listener();
    return chunk;
  }

  write(bytes: Buffer): void {
    // A copy: the writer may use its buffer again as soon as the other end has read, and the reader may keep what it read.
    if (this.takesBytes && bytes.length > 0) this.handOver(Buffer.from(bytes));
  }

  handOver(bytes: Buffer): void {
    if (!this.takesBytes || bytes.length === 0) return;
    this.held.push(bytes);
    this.heldBytes += bytes.length;
    this.pump();
  }

  private get takesBytes(): boolean {
    return this.status !== "closed" && !this.finishing;
  }

  end(): void {
    this.finishing = true;
    this.pump();
  }

  fail(failure: TransportError): void {
    if (this.finishing) return;
    this.broken = failure;
    this.end();
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.status = "closed";
    this.listener = noListener;
    this.chunks.length = 0;
    this.head = 0;
    this.drop();
    this.readable = 0;
    this.other?.lose();
  }

  reset(): void {
    const { other } = this;
    if (!this.destroyed && other !== undefined && other.status !== "closed")
      other.failure = new TransportError({ kind: "reset", code: "ECONNRESET", endpoint: NOWHERE });
    this.destroy();
  }

  /** The other end is gone; what it had sent can still be read. */
  private lose(): void {
    if (this.status === "closed") return;
    this.status = "closed";
    this.drop();
    this.listener();
  }

  private drop(): void {
    this.held.length = 0;
    this.heldBytes = 0;
  }

  /** All that was written has arrived, and nothing goes either way any more. */
  private breakOff(other: PairEnd, failure: TransportError): void {
    other.failure = failure;
    other.drop();
    other.status = "closed";
    this.status = "closed";
  }

  /** Moves what fits to the other end, and the end after it. */
  private pump(): void {
    const { other } = this;
    if (other === undefined || other.status === "closed") return;
    let moved = false;
    while (this.held.length > 0 && other.readable < other.limit) {
      const bytes = this.held.shift() as Buffer;
      this.heldBytes -= bytes.length;
      other.chunks.push(bytes);
      other.readable += bytes.length;
      moved = true;
    }
    if (this.finishing && this.held.length === 0 && other.status === "open") {
      if (this.broken === undefined) other.status = "ended";
      else this.breakOff(other, this.broken);
      moved = true;
    }
    if (this.status === "ended" && other.status === "ended") {
      this.status = "closed";
      other.status = "closed";
      this.listener();
    }
    if (moved) other.listener();
  }
}

/**
 * Two connections that lead to each other within the process: an application and its stream, a directory server and the
 * stream that asks it. Bounded as a socket is, in bytes that wait to be read at one end.
 */
export const connectionPair = (
  readBufferBytes: number = DEFAULT_READ_BUFFER_BYTES,
): readonly [PairedConnection, PairedConnection] => {
  const one = new PairEnd(readBufferBytes);
  const other = new PairEnd(readBufferBytes);
  one.other = other;
  other.other = one;
  return [one, other];
};
