import type { Connection, Endpoint, TlsBinding, TransportError } from "./transport.ts";

/** A connection that hands everything on to another. What is different with a connection is overridden. */
export abstract class WrappedConnection implements Connection {
  /** Where everything goes. */
  protected readonly inner: Connection;

  constructor(inner: Connection) {
    this.inner = inner;
  }

  get remote(): Endpoint {
    return this.inner.remote;
  }

  get local(): Endpoint {
    return this.inner.local;
  }

  get tls(): TlsBinding | undefined {
    return this.inner.tls;
  }

  get status(): Connection["status"] {
    return this.inner.status;
  }

  get failure(): TransportError | undefined {
    return this.inner.failure;
  }

  get readable(): number {
    return this.inner.readable;
  }

  get pending(): number {
    return this.inner.pending;
  }

  onChange(listener: () => void): void {
    this.inner.onChange(listener);
  }

  read(): Buffer | undefined {
    return this.inner.read();
  }

  write(bytes: Buffer): void {
    this.inner.write(bytes);
  }

  end(): void {
    this.inner.end();
  }

  destroy(): void {
    this.inner.destroy();
  }

  reset(): void {
    this.inner.reset();
  }
}
