import type { Connection, Endpoint, TransportError } from "@allium/channel";

/** A connection whose far end a test plays by hand. */
export class FakeConnection implements Connection {
  readonly remote: Endpoint = { host: "203.0.113.5", port: 80 };
  readonly local: Endpoint = { host: "198.51.100.1", port: 40_000 };
  readonly tls = undefined;
  status: "open" | "ended" | "closed" = "open";
  failure: TransportError | undefined = undefined;
  pending: number;
  /** What was asked of it. */
  finSent = false;
  destroyed = false;
  /** Bytes that are read have left this count. */
  readable = 0;
  private listener: () => void = () => {};

  constructor(pending = 0) {
    this.pending = pending;
  }

  onChange(listener: () => void): void {
    this.listener = listener;
  }

  read(): Buffer | undefined {
    if (this.readable === 0) return undefined;
    const chunk = Buffer.alloc(Math.min(this.readable, 65_536));
    this.readable -= chunk.length;
    return chunk;
  }

  write(bytes: Buffer): void {
    this.pending += bytes.length;
  }

  end(): void {
    this.finSent = true;
  }

  destroy(): void {
    this.destroyed = true;
    this.status = "closed";
    this.listener = () => {};
  }

  reset(): void {
    this.destroy();
  }

  /** The platform has taken all that was pending. */
  flush(): void {
    this.pending = 0;
    this.listener();
  }

  /** The other side sends bytes. */
  arrive(bytes: number): void {
    this.readable += bytes;
    this.listener();
  }

  /** The other side has nothing more to send, or is gone. */
  become(status: "ended" | "closed"): void {
    this.status = status;
    this.listener();
  }
}
