import * as net from "node:net";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit, Fiber, Scope } from "effect";
import { eventLoopTurn, until } from "../../../test/support/event-loop.ts";
import { type Connection, type Endpoint, TransportError } from "../src/index.ts";
import { toTransportError } from "../src/node-connection.ts";
import { connectionCompliance, tlsBindingCompliance } from "./compliance/connection.ts";
import { makeIdentity } from "./support/identities.ts";
import { nodeTransport, openSockets } from "./support/sockets.ts";

/** What Linux buffers between two loopback sockets, at most (tcp_wmem and tcp_rmem). */
const SOCKET_SLACK = 16 * 1024 * 1024;

connectionCompliance({
  name: "a TCP socket",
  it: it.live,
  open: (bytes) => openSockets(bytes),
  pass: eventLoopTurn,
  slack: SOCKET_SLACK,
});

const identity = makeIdentity("relay", 0, Date.now());

const tlsSubject = {
  name: "a TLS socket",
  it: it.live,
  open: (bytes: number) => openSockets(bytes, identity.tls),
  pass: eventLoopTurn,
  slack: SOCKET_SLACK,
};

connectionCompliance(tlsSubject);
tlsBindingCompliance(tlsSubject);

const LOOPBACK: Endpoint = { host: "127.0.0.1", port: 0 };

/** A server of the platform's own, for what ours would not do. */
const foreignServer = (onSocket: (socket: net.Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<net.Server>((resume) => {
      const server = net.createServer(onSocket);
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)));
    }),
    (server) => Effect.sync(() => server.close()),
  ).pipe(
    Effect.map((server) => ({
      server,
      endpoint: { host: "127.0.0.1", port: (server.address() as net.AddressInfo).port },
    })),
  );

/** Sockets that the process has open. */
const openSocketCount = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap" || name === "TLSWrap").length;

describe("the live transport", () => {
  it.live("says that a connection was refused", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const { server, endpoint } = yield* foreignServer(() => {});
      yield* Effect.callback((resume) => {
        server.close(() => resume(Effect.void));
      });
      const error = yield* Effect.flip(transport.connect(endpoint, { tls: false }));
      assert.deepInclude(error, { kind: "refused", code: "ECONNREFUSED", endpoint });
      assert.strictEqual(error.message, `refused (ECONNREFUSED) at 127.0.0.1:${endpoint.port}`);
    }),
  );

  it.live("looks no name up", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const error = yield* Effect.flip(transport.connect({ host: "localhost", port: 80 }, { tls: false }));
      assert.deepInclude(error, { kind: "unreachable", code: "NOT_AN_ADDRESS" });
    }),
  );

  it.live("says that TLS failed when the other side speaks something else", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const { endpoint } = yield* foreignServer((socket) => {
        socket.on("error", () => {});
        socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
      });
      const error = yield* Effect.flip(transport.connect(endpoint, { tls: true }));
      assert.strictEqual(error.kind, "tls");
    }),
  );

  it.live("says that the connection was reset when the other side hangs up within TLS", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const { endpoint } = yield* foreignServer((socket) => {
        socket.on("error", () => {});
        socket.resetAndDestroy();
      });
      const error = yield* Effect.flip(transport.connect(endpoint, { tls: true }));
      assert.strictEqual(error.kind, "reset");
    }),
  );

  it.live("tells of a reset on an open connection", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      let far: net.Socket | undefined;
      const { endpoint } = yield* foreignServer((socket) => {
        far = socket;
      });
      const connection = yield* transport.connect(endpoint, { tls: false });
      yield* until(() => far !== undefined);
      far?.resetAndDestroy();
      yield* until(() => connection.status === "closed");
      assert.deepInclude(connection.failure, { kind: "reset", code: "ECONNRESET" });
      connection.destroy();
    }),
  );

  it.live("says that an address is in use, and frees it when the listener's scope closes", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const scope = yield* Scope.make();
      const options = { onConnection: (connection: Connection) => connection.destroy() };
      const first = yield* Scope.provide(transport.listen(LOOPBACK, options), scope);
      const error = yield* Effect.flip(transport.listen(first.endpoint, options));
      assert.deepInclude(error, { kind: "addressInUse", code: "EADDRINUSE" });
      yield* Scope.close(scope, Exit.void);
      const second = yield* transport.listen(first.endpoint, options);
      assert.strictEqual(second.endpoint.port, first.endpoint.port);
    }),
  );

  it.live("leaves accepted connections open when the listener closes", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const scope = yield* Scope.make();
      const accepted: Array<Connection> = [];
      const listener = yield* Scope.provide(
        transport.listen(LOOPBACK, { onConnection: (connection) => accepted.push(connection) }),
        scope,
      );
      const connection = yield* transport.connect(listener.endpoint, { tls: false });
      yield* until(() => accepted.length === 1);
      yield* Scope.close(scope, Exit.void);
      connection.write(Buffer.from("still here"));
      yield* until(() => accepted[0]!.readable === 10);
      connection.destroy();
      accepted[0]!.destroy();
    }),
  );

  it.live("gives up a TLS handshake when the listener closes", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const scope = yield* Scope.make();
      let admitted = 0;
      const listener = yield* Scope.provide(
        transport.listen(LOOPBACK, {
          tls: identity.tls,
          admit: () => {
            admitted++;
            return true;
          },
          onConnection: (connection) => connection.destroy(),
        }),
        scope,
      );
      // It opens the connection and never says a word of TLS.
      const silent = yield* transport.connect(listener.endpoint, { tls: false });
      yield* until(() => admitted === 1);
      yield* Scope.close(scope, Exit.void);
      yield* until(() => silent.status !== "open");
      silent.destroy();
    }),
  );

  it.live("leaves no socket behind when a connection attempt is interrupted", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      let far: net.Socket | undefined;
      // It accepts and says nothing: TLS waits for ever.
      const { endpoint } = yield* foreignServer((socket) => {
        far = socket;
        socket.on("error", () => {});
        socket.resume();
      });
      const before = openSocketCount();
      const attempt = yield* Effect.forkChild(transport.connect(endpoint, { tls: true }));
      yield* until(() => far !== undefined);
      assert.isAbove(openSocketCount(), before);
      yield* Fiber.interrupt(attempt);
      yield* until(() => far!.destroyed);
      // Those of tests before this one may have been among them.
      yield* until(() => openSocketCount() <= before);
    }),
  );

  it.live("refuses at accept whom it is told to refuse, and says whose TLS failed", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const asked: Array<Endpoint> = [];
      const failed: Array<Endpoint> = [];
      const accepted: Array<Connection> = [];
      const listener = yield* transport.listen(LOOPBACK, {
        tls: identity.tls,
        admit: (remote) => {
          asked.push(remote);
          return remote.host !== "127.0.0.9";
        },
        onFailed: (remote) => failed.push(remote),
        onConnection: (connection) => accepted.push(connection),
      });
      const refused = yield* Effect.flip(
        transport.connect(listener.endpoint, { tls: true, localAddress: "127.0.0.9" }),
      );
      assert.strictEqual(refused.kind, "reset");
      assert.strictEqual(asked[0]!.host, "127.0.0.9");
      const noTls = yield* transport.connect(listener.endpoint, { tls: false });
      noTls.write(Buffer.from("GET / HTTP/1.0\r\n\r\n"));
      yield* until(() => failed.length === 1);
      assert.deepStrictEqual(failed, [asked[1]]);
      noTls.destroy();
      const good = yield* transport.connect(listener.endpoint, { tls: true });
      yield* until(() => accepted.length === 1);
      assert.deepStrictEqual(accepted[0]!.remote, good.local);
      good.destroy();
      accepted[0]!.destroy();
      yield* until(() => asked.length === 3);
      assert.strictEqual(failed.length, 1);
    }),
  );

  it.live("presents another certificate once it is told to", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const next = makeIdentity("relay after two days", 0, Date.now());
      const listener = yield* transport.listen(LOOPBACK, {
        tls: identity.tls,
        onConnection: (connection) => connection.destroy(),
      });
      const first = yield* transport.connect(listener.endpoint, { tls: true });
      listener.setIdentity(next.tls);
      const second = yield* transport.connect(listener.endpoint, { tls: true });
      assert.isFalse(first.tls!.peerCertificateDigest!.equals(second.tls!.peerCertificateDigest!));
      first.destroy();
      second.destroy();
    }),
  );

  it.live("bounds the connections of a listener", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const accepted: Array<Connection> = [];
      const listener = yield* transport.listen(LOOPBACK, {
        maxConnections: 2,
        onConnection: (connection) => accepted.push(connection),
      });
      const clients: Array<Connection> = [];
      for (let index = 0; index < 3; index++) clients.push(yield* transport.connect(listener.endpoint, { tls: false }));
      yield* until(() => clients.some((client) => client.status !== "open"));
      assert.strictEqual(accepted.length, 2);
      for (const connection of [...clients, ...accepted]) connection.destroy();
    }),
  );

  it.live("unwraps IPv4 addresses on a dual-stack socket", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const accepted: Array<Connection> = [];
      const listener = yield* transport.listen(
        { host: "::", port: 0 },
        { onConnection: (connection) => accepted.push(connection) },
      );
      const client = yield* transport.connect({ host: "127.0.0.1", port: listener.endpoint.port }, { tls: false });
      yield* until(() => accepted.length === 1);
      assert.strictEqual(accepted[0]!.remote.host, "127.0.0.1");
      client.destroy();
      accepted[0]!.destroy();
    }),
  );

  it.live("refuses keying material of a session that is over, with a typed error", () =>
    Effect.gen(function* () {
      const [client, server] = yield* openSockets(1000, identity.tls);
      server.destroy();
      client.destroy();
      yield* eventLoopTurn;
      yield* eventLoopTurn;
      const error = (() => {
        try {
          return client.tls!.exporter("EXPORTER test", Buffer.alloc(32), 32);
        } catch (cause) {
          return cause;
        }
      })();
      assert.instanceOf(error, TransportError);
    }),
  );

  it("knows the platform's words", () => {
    const kindOf = (code: string) => toTransportError({ code }, LOOPBACK).kind;
    assert.deepStrictEqual(
      ["ETIMEDOUT", "ENETUNREACH", "EMFILE", "EPIPE", "ERR_TLS_HANDSHAKE_TIMEOUT", "ESOMETHING"].map(kindOf),
      ["timeout", "unreachable", "resourceLimit", "reset", "tls", "other"],
    );
    assert.strictEqual(toTransportError(new Error("no code"), LOOPBACK).code, "UNKNOWN");
  });

  it.live("survives errors of TLS after the connection was handed over", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const accepted: Array<Connection> = [];
      const listener = yield* transport.listen(LOOPBACK, {
        tls: identity.tls,
        onConnection: (connection) => accepted.push(connection),
      });
      // Something on the way that turns to noise after the handshake: records that do not decrypt.
      let way: net.Socket | undefined;
      const { endpoint } = yield* foreignServer((socket) => {
        way = net.connect(listener.endpoint.port, "127.0.0.1");
        socket.pipe(way);
        way.pipe(socket);
        socket.on("error", () => {});
        way.on("error", () => {});
      });
      const client = yield* transport.connect(endpoint, { tls: true });
      yield* until(() => accepted.length === 1);
      way?.write(Buffer.concat([Buffer.from("1703030020", "hex"), Buffer.alloc(32)]));
      yield* until(() => accepted[0]!.status === "closed");
      assert.strictEqual(accepted[0]!.failure?.kind, "tls");
      client.destroy();
      accepted[0]!.destroy();
    }),
  );
});
