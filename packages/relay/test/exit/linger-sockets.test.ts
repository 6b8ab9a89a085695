import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { NodeTransport, Transport } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { eventLoopTurn, until } from "../../../../test/support/event-loop.ts";
import { makeLingerers } from "../../src/exit/linger.ts";

/** A server on loopback; `serve` is given each socket. */
const origin = (serve: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer({ allowHalfOpen: true }, serve).listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
    (server: Server) => Effect.sync(() => server.close()),
  ).pipe(Effect.map((server) => (server.address() as AddressInfo).port));

const connect = (port: number) =>
  Effect.gen(function* () {
    const transport = yield* Transport;
    return yield* transport.connect({ host: "127.0.0.1", port }, { tls: false });
  }).pipe(Effect.provide(NodeTransport.layer));

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

// On the clock of the test, which stands still: nothing here is over because its time is.
describe("connections that linger, over sockets", () => {
  it.effect("deliver megabytes to a server that reads them late, and are gone when it closes", () =>
    Effect.gen(function* () {
      const received: Array<Buffer> = [];
      let ended = false;
      let resume = () => {};
      const port = yield* origin((socket) => {
        resume = () => {
          socket.on("data", (bytes: Buffer) => received.push(bytes));
          socket.on("end", () => {
            ended = true;
            socket.end();
          });
        };
      });
      const lingerers = yield* makeLingerers();
      const connection = yield* connect(port);
      const bytes = Buffer.alloc(8 * 1024 * 1024, "allium");
      for (let at = 0; at < bytes.length; at += 65_536) connection.write(bytes.subarray(at, at + 65_536));
      lingerers.add(connection);
      // The kernel has taken what it takes: what leaves in one call is pending until all of it has left.
      for (let turn = 0; turn < 20; turn++) yield* eventLoopTurn;
      assert.isAbove(connection.pending, 0);
      assert.strictEqual(lingerers.size(), 1);
      resume();
      yield* until(() => lingerers.size() === 0);
      yield* until(() => ended);
      assert.strictEqual(sha256(Buffer.concat(received)), sha256(bytes));
      assert.strictEqual(lingerers.cut(), 0);
    }),
  );

  it.effect("deliver to a server that has ended already", () =>
    Effect.gen(function* () {
      const received: Array<Buffer> = [];
      const port = yield* origin((socket) => {
        socket.on("data", (bytes: Buffer) => received.push(bytes));
        socket.end("bye");
      });
      const lingerers = yield* makeLingerers();
      const connection = yield* connect(port);
      yield* until(() => connection.status === "ended");
      connection.write(Buffer.from("the last words"));
      lingerers.add(connection);
      yield* until(() => lingerers.size() === 0);
      yield* until(() => received.length > 0);
      assert.strictEqual(Buffer.concat(received).toString(), "the last words");
    }),
  );

  it.effect("are let go of when the server breaks off", () =>
    Effect.gen(function* () {
      let server: Socket | undefined;
      const port = yield* origin((socket) => {
        server = socket;
      });
      const lingerers = yield* makeLingerers();
      const connection = yield* connect(port);
      connection.write(Buffer.alloc(8 * 1024 * 1024));
      lingerers.add(connection);
      yield* until(() => server !== undefined);
      server?.resetAndDestroy();
      yield* until(() => lingerers.size() === 0);
      assert.strictEqual(connection.status, "closed");
    }),
  );
});
