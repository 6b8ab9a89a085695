import { createHash } from "node:crypto";
import * as net from "node:net";
import * as tls from "node:tls";
import { Effect, Layer } from "effect";
import {
  type Connection,
  DEFAULT_READ_BUFFER_BYTES,
  type Endpoint,
  type ListenOptions,
  type TlsBinding,
  Transport,
  TransportError,
  type TransportErrorKind,
} from "./transport.ts";

const KINDS: Readonly<Record<string, TransportErrorKind>> = {
  ECONNREFUSED: "refused",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
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

const toTransportError = (cause: unknown, endpoint: Endpoint): TransportError => {
  const code = String((cause as NodeJS.ErrnoException | undefined)?.code ?? "UNKNOWN");
  const kind = KINDS[code] ?? (code.startsWith("ERR_SSL") || code.startsWith("ERR_TLS") ? "tls" : "other");
  return new TransportError({ kind, code, endpoint });
};

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

const tlsBinding = (socket: tls.TLSSocket): TlsBinding => {
  const peer = socket.getPeerX509Certificate();
  const own = socket.getX509Certificate();
  return {
    peerCertificateDigest: peer && sha256(peer.raw),
    ownCertificateDigest: own && sha256(own.raw),
    exporter: (label, context, length) => socket.exportKeyingMaterial(length, label, context),
  };
};

const noListener = () => {};

/** One socket, plain or TLS, behind the polled contract. */
class NodeConnection implements Connection {
  readonly remote: Endpoint;
  readonly local: Endpoint;
  readonly tls: TlsBinding | undefined;
  status: "open" | "ended" | "closed" = "open";
  failure: TransportError | undefined = undefined;
  readable = 0;
  private readonly socket: net.Socket;
  private readonly limit: number;
  private chunks: Array<Buffer> = [];
  private head = 0;
  private paused = false;
  private listener: () => void = noListener;
  private readonly written = () => this.listener();

  constructor(socket: net.Socket, limit: number) {
    this.socket = socket;
    this.limit = limit;
    this.remote = { host: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
    this.local = { host: socket.localAddress ?? "", port: socket.localPort ?? 0 };
    this.tls = socket instanceof tls.TLSSocket ? tlsBinding(socket) : undefined;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.chunks.push(chunk);
      this.readable += chunk.length;
      if (this.readable >= this.limit && !this.paused) {
        this.paused = true;
        socket.pause();
      }
      this.listener();
    });
    socket.on("end", () => {
      if (this.status === "open") this.status = "ended";
      this.listener();
    });
    socket.on("error", (cause) => {
      this.failure ??= toTransportError(cause, this.remote);
    });
    socket.on("close", () => {
      this.status = "closed";
      this.listener();
    });
  }

  get pending(): number {
    return this.socket.writableLength;
  }

  onChange(listener: () => void): void {
    this.listener = listener;
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
      this.socket.resume();
    }
    return chunk;
  }

  write(bytes: Buffer): void {
    if (this.status === "closed" || this.socket.destroyed || this.socket.writableEnded) return;
    this.socket.write(bytes, this.written);
  }

  end(): void {
    if (!this.socket.writableEnded) this.socket.end();
  }

  destroy(): void {
    this.status = "closed";
    this.listener = noListener;
    this.chunks = [];
    this.head = 0;
    this.readable = 0;
    this.socket.destroy();
  }
}

const connect: Transport["Service"]["connect"] = (endpoint, options) =>
  Effect.callback<Connection, TransportError>((resume) => {
    const limit = options.readBufferBytes ?? DEFAULT_READ_BUFFER_BYTES;
    const target: net.TcpNetConnectOpts = {
      host: endpoint.host,
      port: endpoint.port,
      allowHalfOpen: true,
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    };
    // Tor proves identities in its own handshake above TLS (tor-spec, "Negotiating and initializing connections"), so
    // the certificate is not checked here; its digest is what that handshake is bound to.
    const socket = options.tls
      ? tls.connect({ ...target, rejectUnauthorized: false, minVersion: "TLSv1.2" })
      : net.connect(target);
    const fail = (cause: unknown) => {
      socket.destroy();
      resume(Effect.fail(toTransportError(cause, endpoint)));
    };
    const closed = () => fail({ code: "ECONNRESET" });
    socket.once("error", fail);
    socket.once("close", closed);
    socket.once(options.tls ? "secureConnect" : "connect", () => {
      socket.off("error", fail);
      socket.off("close", closed);
      resume(Effect.succeed(new NodeConnection(socket, limit)));
    });
    return Effect.sync(() => {
      socket.off("close", closed);
      socket.destroy();
    });
  });

const openServer = (options: ListenOptions): net.Server => {
  const limit = options.readBufferBytes ?? DEFAULT_READ_BUFFER_BYTES;
  const accept = (socket: net.Socket) => options.onConnection(new NodeConnection(socket, limit));
  const server =
    options.tls === undefined
      ? net.createServer({ allowHalfOpen: true }, accept)
      : tls.createServer(
          {
            key: options.tls.keyPem,
            cert: options.tls.certificatePem,
            minVersion: "TLSv1.2",
            allowHalfOpen: true,
            handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MILLIS,
          },
          accept,
        );
  server.maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
  // A client that fails its TLS handshake concerns nobody but itself.
  server.on("tlsClientError", (_cause: Error, socket: tls.TLSSocket) => socket.destroy());
  return server;
};

const listen: Transport["Service"]["listen"] = (endpoint, options) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: net.Server; readonly sockets: Set<net.Socket> }, TransportError>((resume) => {
      const server = openServer(options);
      const sockets = new Set<net.Socket>();
      server.on("connection", (socket) => {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
      });
      server.once("error", (cause) => resume(Effect.fail(toTransportError(cause, endpoint))));
      server.listen({ host: endpoint.host, port: endpoint.port }, () => resume(Effect.succeed({ server, sockets })));
      return Effect.sync(() => server.close());
    }),
    ({ server, sockets }) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void));
        for (const socket of sockets) socket.destroy();
      }),
  ).pipe(
    Effect.map(({ server }) => {
      const address = server.address() as net.AddressInfo;
      return {
        endpoint: { host: address.address, port: address.port },
        setIdentity: (identity) => {
          if (server instanceof tls.Server) {
            server.setSecureContext({ key: identity.keyPem, cert: identity.certificatePem, minVersion: "TLSv1.2" });
          }
        },
      };
    }),
  );

/** The live transport: the platform's sockets and its TLS. */
export const layer: Layer.Layer<Transport> = Layer.succeed(Transport, Transport.of({ connect, listen }));

/** A TLS handshake that takes longer is given up. */
const TLS_HANDSHAKE_TIMEOUT_MILLIS = 20_000;

const DEFAULT_MAX_CONNECTIONS = 10_000;
