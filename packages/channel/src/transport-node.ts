import * as net from "node:net";
import * as tls from "node:tls";
import { Effect, Layer } from "effect";
import { endpointOf, NodeConnection, toTransportError } from "./node-connection.ts";
import { PatientSocket } from "./patient-socket.ts";
import { TLS_HANDSHAKE_TIMEOUT_MILLIS } from "./timeouts.ts";
import {
  type Connection,
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_MAX_HANDSHAKES,
  DEFAULT_READ_BUFFER_BYTES,
  type ListenOptions,
  type TlsServerIdentity,
  Transport,
  TransportError,
} from "./transport.ts";

/** What sockets read into, one after the other: its content is copied before the next one reads. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * Reads a plain socket through one shared buffer. The platform would allocate 64 KiB for each read however little comes, and
 * that garbage, which its collector counts as pressure, costs more than the copy.
 */
const readInto = (received: (chunk: Buffer) => boolean): net.OnReadOpts => ({
  buffer: READ_BUFFER,
  callback: (length) => received(Buffer.from(READ_BUFFER.subarray(0, length))),
});

const connect: Transport["Service"]["connect"] = (endpoint, options) =>
  Effect.callback<Connection, TransportError>((resume) => {
    if (net.isIP(endpoint.host) === 0) {
      // The platform would look the name up, and names are the business of a resolver.
      resume(Effect.fail(new TransportError({ kind: "unreachable", code: "NOT_AN_ADDRESS", endpoint })));
      return;
    }
    const limit = options.readBufferBytes ?? DEFAULT_READ_BUFFER_BYTES;
    const target: net.TcpNetConnectOpts = {
      host: endpoint.host,
      port: endpoint.port,
      allowHalfOpen: true,
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    };
    // Tor proves identities in its own handshake above TLS (tor-spec, "Negotiating and initializing connections"), so
    // the certificate is not checked here; its digest is what that handshake is bound to.
    let connection: NodeConnection | undefined;
    const socket = options.tls
      ? tls.connect({ ...target, rejectUnauthorized: false, minVersion: MIN_TLS_VERSION })
      : new PatientSocket({
          allowHalfOpen: true,
          onread: readInto((chunk) => connection?.received(chunk) === true),
        }).connect(target);
    const fail = (cause: unknown) => {
      socket.destroy();
      resume(Effect.fail(toTransportError(cause, endpoint)));
    };
    const closed = () => fail({ code: "ECONNRESET" });
    // Not `once`, and never taken off: what fails on a socket that is being given up must find somebody.
    socket.on("error", fail);
    socket.once("close", closed);
    socket.once(options.tls ? "secureConnect" : "connect", () => {
      socket.off("close", closed);
      connection = new NodeConnection(socket, limit, !options.tls);
      resume(Effect.succeed(connection));
    });
    return Effect.sync(() => {
      socket.off("close", closed);
      socket.destroy();
    });
  });

const secureContext = (identity: TlsServerIdentity) => ({
  key: identity.keyPem,
  cert: identity.certificatePem,
  minVersion: MIN_TLS_VERSION,
});

/** A TLS handshake that is under way. */
interface Handshake {
  readonly socket: net.Socket;
  /** It comes to nothing. */
  readonly lost: (why: "failed" | "crowded") => void;
}

/**
 * A listening socket. It accepts, asks `admit`, and lets a TLS server without a socket of its own do the handshakes: so an
 * address can be refused before it costs anything.
 */
class Server {
  private readonly options: ListenOptions;
  private readonly server: net.Server;
  private readonly handshakes: tls.Server | undefined;
  /** TLS handshakes that are under way, by their far end, the oldest first. */
  private readonly waiting = new Map<string, Handshake>();

  constructor(options: ListenOptions) {
    this.options = options;
    this.server = net.createServer({ allowHalfOpen: true }, (socket) => this.onSocket(socket));
    this.server.maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;
    // A failed `accept` concerns one connection; without a listener it would end the process.
    this.server.on("error", () => {});
    if (options.tls === undefined) return;
    this.handshakes = tls.createServer({
      ...secureContext(options.tls),
      allowHalfOpen: true,
      handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MILLIS,
    });
    this.handshakes.on("secureConnection", (socket) => {
      // From here on either side may stop sending before the other does.
      socket.allowHalfOpen = true;
      const { host, port } = endpointOf(socket.remoteAddress, socket.remotePort);
      // Not there any more: lost, and told so, in the same turn.
      if (this.waiting.delete(`${host} ${port}`)) this.hand(socket);
      else socket.destroy();
    });
    // A client that fails its TLS handshake concerns nobody but itself.
    this.handshakes.on("tlsClientError", (_cause: Error, socket: tls.TLSSocket) => socket.destroy());
  }

  open(host: string, port: number): Effect.Effect<net.AddressInfo, TransportError> {
    return Effect.callback<net.AddressInfo, TransportError>((resume) => {
      const { server } = this;
      const refused = (cause: Error) => resume(Effect.fail(toTransportError(cause, { host, port })));
      server.once("error", refused);
      server.listen({ host, port }, () => {
        server.off("error", refused);
        resume(Effect.succeed(server.address() as net.AddressInfo));
      });
      return Effect.sync(() => server.close());
    });
  }

  setIdentity(identity: TlsServerIdentity): void {
    this.handshakes?.setSecureContext(secureContext(identity));
  }

  /** Frees the port at once. Connections that were handed over belong to somebody else by now. */
  close(): void {
    this.server.close();
    for (const { socket } of this.waiting.values()) socket.destroy();
  }

  private onSocket(socket: net.Socket): void {
    const remote = endpointOf(socket.remoteAddress, socket.remotePort);
    // `destroyed`: gone again before it was accepted.
    if (socket.destroyed || this.options.admit?.(remote) === false) {
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    if (this.handshakes === undefined) {
      this.hand(socket);
      return;
    }
    const key = `${remote.host} ${remote.port}`;
    const handshake: Handshake = {
      socket,
      lost: (why) => {
        if (this.waiting.get(key) !== handshake) return;
        this.waiting.delete(key);
        this.options.onFailed?.(remote, why);
        socket.destroy();
      },
    };
    // Its far end is in use again: it is gone, whether or not the platform has said so yet.
    this.waiting.get(key)?.lost("failed");
    if (this.waiting.size >= (this.options.maxHandshakes ?? DEFAULT_MAX_HANDSHAKES)) this.dropOldest();
    this.waiting.set(key, handshake);
    socket.once("close", () => handshake.lost("failed"));
    // Who says in the middle of a handshake that no more comes has gone: else it would keep its place until the time is over.
    socket.allowHalfOpen = false;
    this.handshakes.emit("connection", socket);
  }

  /** Who is about to finish has not been there for long: the oldest is the one least likely to. */
  private dropOldest(): void {
    for (const oldest of this.waiting.values()) return oldest.lost("crowded");
  }

  private hand(socket: net.Socket): void {
    const limit = this.options.readBufferBytes ?? DEFAULT_READ_BUFFER_BYTES;
    this.options.onConnection(new NodeConnection(socket, limit, false));
  }
}

const listen: Transport["Service"]["listen"] = (endpoint, options) =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const server = new Server(options);
      return Effect.map(server.open(endpoint.host, endpoint.port), (address) => ({ server, address }));
    }),
    ({ server }) => Effect.sync(() => server.close()),
  ).pipe(
    Effect.map(({ server, address }) => ({
      endpoint: { host: address.address, port: address.port },
      setIdentity: (identity: TlsServerIdentity) => server.setIdentity(identity),
    })),
  );

/** The live transport: the platform's sockets and its TLS. */
export const layer: Layer.Layer<Transport> = Layer.succeed(Transport, Transport.of({ connect, listen }));

const MIN_TLS_VERSION = "TLSv1.2" as const;
