import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import {
  type Connection,
  type Endpoint,
  type TlsBinding,
  TransportError,
  type TransportErrorKind,
} from "./transport.ts";

const KINDS: Readonly<Record<string, TransportErrorKind>> = {
  ECONNREFUSED: "refused",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  EAFNOSUPPORT: "unreachable",
  EINVAL: "unreachable",
  EACCES: "unreachable",
  EPERM: "unreachable",
  ETIMEDOUT: "timeout",
  ECONNRESET: "reset",
  EPIPE: "reset",
  ECONNABORTED: "reset",
  EADDRINUSE: "addressInUse",
  EMFILE: "resourceLimit",
  ENFILE: "resourceLimit",
  ENOBUFS: "resourceLimit",
  ENOMEM: "resourceLimit",
};

/** What a platform error means, by its code. */
export const toTransportError = (cause: unknown, endpoint: Endpoint): TransportError => {
  const code = String((cause as NodeJS.ErrnoException | undefined)?.code ?? "UNKNOWN");
  const kind = KINDS[code] ?? (code.startsWith("ERR_SSL") || code.startsWith("ERR_TLS") ? "tls" : "other");
  return new TransportError({ kind, code, endpoint });
};

/** An endpoint as the platform gives it. An IPv4 address that a dual-stack socket wraps in IPv6 is unwrapped. */
export const endpointOf = (host: string | undefined, port: number | undefined): Endpoint => ({
  host: host?.startsWith(MAPPED) === true ? host.slice(MAPPED.length) : (host ?? ""),
  port: port ?? 0,
});

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

const tlsBinding = (socket: TLSSocket, remote: Endpoint): TlsBinding => {
  const peer = socket.getPeerX509Certificate();
  const own = socket.getX509Certificate();
  return {
    peerCertificateDigest: peer && sha256(peer.raw),
    ownCertificateDigest: own && sha256(own.raw),
    exporter: (label, context, length) => {
      try {
        return socket.exportKeyingMaterial(length, label, context);
      } catch {
        // The session is gone with its socket, while bytes that it brought may still be worked on.
        throw new TransportError({ kind: "reset", code: "ECONNRESET", endpoint: remote });
      }
    },
  };
};

const noListener = () => {};

/** One socket, plain or TLS, behind the polled contract. */
export class NodeConnection implements Connection {
  readonly remote: Endpoint;
  readonly local: Endpoint;
  readonly tls: TlsBinding | undefined;
  status: "open" | "ended" | "closed" = "open";
  failure: TransportError | undefined = undefined;
  readable = 0;
  private readonly socket: Socket;
  private readonly limit: number;
  private chunks: Array<Buffer> = [];
  private head = 0;
  private paused = false;
  private destroyed = false;
  private listener: () => void = noListener;
  private corked = false;
  private readonly written = () => this.listener();
  private readonly uncork = () => {
    this.corked = false;
    this.socket.uncork();
  };

  /**
   * @param limit bytes that may wait unread before the socket is no longer read
   * @param ownBuffer whether what the socket reads comes by {@link received}
   */
  constructor(socket: Socket, limit: number, ownBuffer: boolean) {
    this.socket = socket;
    this.limit = limit;
    this.remote = endpointOf(socket.remoteAddress, socket.remotePort);
    this.local = endpointOf(socket.localAddress, socket.localPort);
    this.tls = socket instanceof TLSSocket ? tlsBinding(socket, this.remote) : undefined;
    if (socket.destroyed) this.status = "closed";
    socket.setNoDelay(true);
    if (!ownBuffer) this.takeOver();
    socket.on("end", () => {
      if (this.status === "open") this.status = "ended";
      this.listener();
    });
    // Stays for good: an error that comes after the close (TLS has them) must find somebody.
    socket.on("error", (cause) => {
      this.failure ??= toTransportError(cause, this.remote);
      // A record that does not decrypt leaves the platform's socket open.
      socket.destroy();
    });
    socket.on("close", () => {
      this.status = "closed";
      this.listener();
    });
    socket.resume();
  }

  /** Gets what the socket reads past the platform's stream, which would queue each TLS record for itself. */
  private takeOver(): void {
    const { socket } = this;
    for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) this.received(chunk);
    const push = socket.push.bind(socket);
    socket.push = (chunk: Buffer | null) => (chunk === null ? push(null) : this.received(chunk));
  }

  get pending(): number {
    return this.status === "closed" ? 0 : this.socket.writableLength;
  }

  /** Bytes came: from the socket itself, or from who reads it into a buffer of its own. False stops its reading. */
  received(chunk: Buffer): boolean {
    this.chunks.push(chunk);
    this.readable += chunk.length;
    if (this.readable >= this.limit) this.paused = true;
    this.listener();
    return !this.paused;
  }

  onChange(listener: () => void): void {
    if (!this.destroyed) this.listener = listener;
  }

  read(): Buffer | undefined {
    if (this.head === this.chunks.length) return undefined;
    const chunk = this.chunks[this.head] as Buffer;
    this.head++;
    this.readable -= chunk.length;
    if (this.head === this.chunks.length) {
      this.chunks.length = 0;
      this.head = 0;
    }
    if (this.paused && this.readable < this.limit / 2) {
      this.paused = false;
      if (!this.socket.destroyed) this.socket._read(0);
    }
    return chunk;
  }

  write(bytes: Buffer): void {
    if (bytes.length === 0 || this.status === "closed" || this.socket.destroyed || this.socket.writableEnded) return;
    // Trains of one turn go out in one call of the operating system. A channel has gathered them itself.
    if (this.tls === undefined && !this.corked) {
      this.corked = true;
      this.socket.cork();
      process.nextTick(this.uncork);
    }
    this.socket.write(bytes, this.written);
  }

  end(): void {
    if (!this.socket.writableEnded && !this.socket.destroyed) this.socket.end();
  }

  destroy(): void {
    this.forget();
    this.socket.destroy();
  }

  reset(): void {
    const wasOpen = this.status !== "closed";
    this.forget();
    if (wasOpen && this.tls === undefined) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  private forget(): void {
    this.destroyed = true;
    this.status = "closed";
    this.listener = noListener;
    this.chunks.length = 0;
    this.head = 0;
    this.readable = 0;
  }
}

/** The prefix of an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2). */
const MAPPED = "::ffff:";
