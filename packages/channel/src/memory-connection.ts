import { createHmac } from "node:crypto";
import type { Pipe } from "./memory-pipe.ts";
import { type Connection, type Endpoint, type TlsBinding, TransportError } from "./transport.ts";

/** What the two ends of a simulated TLS session have in common, and what each presented. */
export interface MemorySession {
  /** Absent without TLS. */
  readonly secret: Buffer | undefined;
  readonly peer: Buffer | undefined;
  readonly own: Buffer | undefined;
}

const tlsBinding = (session: MemorySession): TlsBinding | undefined => {
  const { secret } = session;
  return (
    secret && {
      peerCertificateDigest: session.peer,
      ownCertificateDigest: session.own,
      exporter: (label, context, length) =>
        createHmac("sha512", secret).update(`${label}\0`).update(context).digest().subarray(0, length),
    }
  );
};

const noListener = () => {};

/** One end of a connection on a simulated network. */
export class MemoryConnection implements Connection {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly tls: TlsBinding | undefined;
  /** Bytes that may wait unread before no more leave the other side. */
  readonly limit: number;
  status: "open" | "ended" | "closed" = "open";
  failure: TransportError | undefined = undefined;
  readable = 0;
  private readonly outgoing: Pipe;
  private readonly incoming: Pipe;
  private readonly onClosed: () => void;
  private readonly chunks: Array<Buffer> = [];
  private listener: () => void = noListener;
  private finished = false;
  private destroyed = false;

  /** @param onClosed called once, when nothing goes either way any more */
  constructor(options: {
    readonly local: Endpoint;
    readonly remote: Endpoint;
    readonly outgoing: Pipe;
    readonly incoming: Pipe;
    readonly limit: number;
    readonly session: MemorySession;
    readonly onClosed: () => void;
  }) {
    this.local = options.local;
    this.remote = options.remote;
    this.outgoing = options.outgoing;
    this.incoming = options.incoming;
    this.limit = options.limit;
    this.tls = tlsBinding(options.session);
    this.onClosed = options.onClosed;
    options.outgoing.source = this;
    options.incoming.target = this;
  }

  get pending(): number {
    return this.status === "closed" ? 0 : this.outgoing.pending;
  }

  onChange(listener: () => void): void {
    if (!this.destroyed) this.listener = listener;
  }

  read(): Buffer | undefined {
    const chunk = this.chunks.shift();
    if (chunk !== undefined) {
      this.readable -= chunk.length;
      this.incoming.pump();
    }
    return chunk;
  }

  write(bytes: Buffer): void {
    if (this.status !== "closed" && !this.finished) this.outgoing.push(bytes);
  }

  end(): void {
    if (this.status === "closed" || this.finished) return;
    this.finished = true;
    this.outgoing.end();
    if (this.status === "ended") this.close();
  }

  destroy(): void {
    if (this.forget()) this.outgoing.abandon();
  }

  reset(): void {
    if (this.forget()) this.outgoing.reset();
  }

  /** Closes it. Whether the other side is to be told. */
  private forget(): boolean {
    if (this.destroyed) return false;
    this.destroyed = true;
    this.listener = noListener;
    this.chunks.length = 0;
    this.readable = 0;
    if (this.status === "closed") return false;
    this.close();
    return true;
  }

  /** Bytes came. To one that was destroyed nothing can be sent: the sender is told. */
  arrived(bytes: Buffer): void {
    if (this.destroyed) {
      this.incoming.bounce(this.outgoing);
      return;
    }
    this.chunks.push(bytes);
    this.readable += bytes.length;
    this.listener();
  }

  /** The other side sends no more. */
  ended(): void {
    if (this.status !== "open") return;
    this.status = "ended";
    if (this.finished) this.close();
    this.listener();
  }

  /** The connection broke. */
  closed(code: string): void {
    if (this.status === "closed") return;
    this.failure = new TransportError({ kind: "reset", code, endpoint: this.remote });
    this.outgoing.break();
    this.incoming.break();
    this.close();
    this.listener();
  }

  /** Bytes of ours left. */
  changed(): void {
    if (this.status !== "closed") this.listener();
  }

  private close(): void {
    this.status = "closed";
    this.onClosed();
  }
}
