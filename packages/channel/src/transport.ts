import type { Effect, Scope } from "effect";
import { Context, Data } from "effect";

/** Where a connection leads or comes from: a numeric IPv4 or IPv6 address (without brackets) and a port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** `host:port`, with brackets around an IPv6 address. */
export const formatEndpoint = (endpoint: Endpoint): string =>
  endpoint.host.includes(":") ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`;

/** What a failed connection attempt, a listener or a broken connection died of. */
export type TransportErrorKind =
  | "refused"
  | "unreachable"
  | "timeout"
  | "reset"
  | "tls"
  | "addressInUse"
  | "resourceLimit"
  | "other";

/** The transport could not connect, listen or go on. `code` is the platform's own word for it (`ECONNREFUSED`, …). */
export class TransportError extends Data.TaggedError("TransportError")<{
  readonly kind: TransportErrorKind;
  readonly code: string;
  readonly endpoint: Endpoint;
}> {
  override get message(): string {
    return `${this.kind} (${this.code}) at ${formatEndpoint(this.endpoint)}`;
  }
}

/** What binds Tor's link handshake to the TLS session under it (tor-spec, "Link authentication"). */
export interface TlsBinding {
  /** SHA-256 of the DER certificate that the other side presented; absent where it presented none (a TLS client). */
  readonly peerCertificateDigest: Buffer | undefined;
  /** SHA-256 of the DER certificate that this side presented; absent on a TLS client. */
  readonly ownCertificateDigest: Buffer | undefined;
  /**
   * RFC 5705 keying material of this session.
   * @throws TransportError once the connection is closed
   */
  readonly exporter: (label: string, context: Buffer, length: number) => Buffer;
}

/**
 * A byte stream in both directions, polled rather than pushed: a reactor owns it, reads and writes without suspending,
 * and is told through one listener that something changed. So a reactor can own hundreds of them without a fiber each.
 */
export interface Connection {
  readonly remote: Endpoint;
  readonly local: Endpoint;
  /** Present on TLS connections. */
  readonly tls: TlsBinding | undefined;
  /** `ended`: the other side sends no more, but what it sent may still be unread. `closed`: nothing goes either way. */
  readonly status: "open" | "ended" | "closed";
  /** Why it closed, if not by agreement. */
  readonly failure: TransportError | undefined;
  /** Bytes received and not yet read. Above the bound given at creation the transport stops reading the socket. */
  readonly readable: number;
  /** Bytes written and not yet accepted by the operating system; 0 once closed. */
  readonly pending: number;
  /** Sets the one listener; it runs on every change: bytes arrived, written bytes left, end, close. It must not block. */
  readonly onChange: (listener: () => void) => void;
  /**
   * The next bytes that arrived, as the transport delivered them, or `undefined` if there are none now. They are the
   * reader's from then on. What arrived before the end or a close can still be read after it, but not after `destroy`.
   */
  readonly read: () => Buffer | undefined;
  /** Queues bytes. Never fails: a broken connection shows in `status`. The buffer must stay unchanged until `pending` is 0. */
  readonly write: (bytes: Buffer) => void;
  /**
   * As `write`, of bytes that are the connection's from then on, the whole buffer behind them too: a pipe within the process hands
   * them on as they are. Absent where it would make no difference.
   */
  readonly handOver?: (bytes: Buffer) => void;
  /** Sends what is pending, then says that no more comes. When both sides have, the connection closes. */
  readonly end: () => void;
  /** Closes at once, dropping what is pending and what is unread; the listener is not called any more. Safe to call again. */
  readonly destroy: () => void;
  /**
   * As `destroy`, and the other side learns that this is no end: what was sent may be incomplete. Over TLS it learns no more than
   * that the connection is closed without a word.
   */
  readonly reset: () => void;
}

/** The key and certificate that a listening TLS side presents, PEM. */
export interface TlsServerIdentity {
  readonly keyPem: string;
  readonly certificatePem: string;
}

/** How a connection is opened. */
export interface ConnectOptions {
  readonly tls: boolean;
  /** Bytes that may wait unread before the transport stops reading the socket. @default 131072 */
  readonly readBufferBytes?: number;
  /** The address to connect from. */
  readonly localAddress?: string;
}

/** How connections are accepted. */
export interface ListenOptions {
  readonly tls?: TlsServerIdentity;
  readonly readBufferBytes?: number;
  /**
   * Asked for each connection as it is accepted, before TLS, with its far end; false refuses it. One that is admitted ends in
   * `onConnection`, or in `onFailed` if its TLS handshake fails. It must not block. @default all are admitted
   */
  readonly admit?: (remote: Endpoint) => boolean;
  /** An admitted connection was lost in its TLS handshake, or had to make room for others. It must not block. */
  readonly onFailed?: (remote: Endpoint, why: "failed" | "crowded") => void;
  /**
   * Called for each connection, after its TLS handshake where there is one: from then on it is the callee's, to destroy
   * too, also after the listener closed. It must not block.
   */
  readonly onConnection: (connection: Connection) => void;
  /** Most TLS handshakes under way and connections open at once; more are refused at accept. @default 10000 */
  readonly maxConnections?: number;
  /** Most TLS handshakes under way at once; for one more the oldest is given up. @default 1000 */
  readonly maxHandshakes?: number;
}

/** A listening socket. Its port is free again when the scope that made it closes; accepted connections stay as they are. */
export interface Listener {
  /** The bound address, with the port that the platform chose if 0 was asked for. */
  readonly endpoint: Endpoint;
  /** Presents another certificate to those who connect from now on. */
  readonly setIdentity: (identity: TlsServerIdentity) => void;
}

/** Sockets and TLS, the one way to the network. Layers: `NodeTransport.layer` (live) and `MemoryNetwork` (simulated). */
export class Transport extends Context.Service<
  Transport,
  {
    /** Opens a connection; interruption gives the attempt up. The connection is the caller's, to destroy too. */
    readonly connect: (endpoint: Endpoint, options: ConnectOptions) => Effect.Effect<Connection, TransportError>;
    /** Accepts connections until the scope closes. */
    readonly listen: (
      endpoint: Endpoint,
      options: ListenOptions,
    ) => Effect.Effect<Listener, TransportError, Scope.Scope>;
  }
>()("allium/channel/Transport") {}

/** Most connections of one listener, TLS handshakes under way included. */
export const DEFAULT_MAX_CONNECTIONS = 10_000;

/** Most TLS handshakes that a listener has under way: those that are done in time need a hundredth of it. */
export const DEFAULT_MAX_HANDSHAKES = 1_000;

/** Bytes that may wait unread on a connection before the transport stops reading its socket. */
export const DEFAULT_READ_BUFFER_BYTES = 128 * 1024;
