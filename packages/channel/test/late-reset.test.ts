import * as net from "node:net";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { eventLoopTurn, until } from "../../../test/support/event-loop.ts";
import type { Connection } from "../src/index.ts";
import { readAll } from "./support/read-all.ts";
import { nodeTransport } from "./support/sockets.ts";

/** A connection, and the platform's socket at its other end, which reads nothing. */
const toDeafServer = Effect.gen(function* () {
  const transport = yield* nodeTransport;
  const accepted: Array<net.Socket> = [];
  // Not even into the platform's own buffers: what is unread when it closes makes the close a reset.
  const server = net.createServer({ pauseOnConnect: true }, (socket) => {
    socket.on("error", () => {});
    accepted.push(socket);
  });
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void));
    }),
    () =>
      Effect.sync(() => {
        for (const socket of accepted) socket.destroy();
        server.close();
      }),
  );
  const endpoint = { host: "127.0.0.1", port: (server.address() as net.AddressInfo).port };
  const connection = yield* transport.connect(endpoint, { tls: false });
  yield* until(() => accepted.length > 0);
  return { connection, far: accepted[0] as net.Socket };
});

const ANSWER = Buffer.alloc(50_000, "answer ");

/** In one turn: the answer and the reset are here, nobody has read, and we write. */
const meetReset = (connection: Connection, far: net.Socket): void => {
  far.write(ANSWER);
  far.destroy();
  connection.write(Buffer.alloc(1_000));
};

const assertHeardToTheEnd = (connection: Connection) =>
  Effect.gen(function* () {
    yield* until(() => connection.status === "closed");
    assert.isTrue(readAll(connection).equals(ANSWER));
    assert.strictEqual(connection.failure?.kind, "reset");
    assert.strictEqual(connection.pending, 0);
  });

describe("a server that answers and hangs up on somebody who is still sending", () => {
  it.live("is heard to the end, although a write met its reset before the answer was read", () =>
    Effect.gen(function* () {
      const { connection, far } = yield* toDeafServer;
      connection.write(Buffer.alloc(1_000));
      yield* eventLoopTurn;
      meetReset(connection, far);
      yield* assertHeardToTheEnd(connection);
    }),
  );

  it.live("is heard to the end, although writes waited for it", () =>
    Effect.gen(function* () {
      const { connection, far } = yield* toDeafServer;
      // More than the system takes for a reader that does not read.
      while (connection.pending < 1_000_000) {
        for (let piece = 0; piece < 16; piece++) connection.write(Buffer.alloc(65_536));
        yield* eventLoopTurn;
      }
      meetReset(connection, far);
      yield* assertHeardToTheEnd(connection);
    }),
  );

  it.live("is not waited for when it had said its last word before", () =>
    Effect.gen(function* () {
      const { connection, far } = yield* toDeafServer;
      far.end(ANSWER);
      yield* until(() => connection.status !== "open");
      connection.write(Buffer.alloc(1_000));
      yield* eventLoopTurn;
      far.resetAndDestroy();
      connection.write(Buffer.alloc(1_000));
      yield* assertHeardToTheEnd(connection);
    }),
  );

  it.live("takes nothing more, and is gone once it is destroyed", () =>
    Effect.gen(function* () {
      const { connection, far } = yield* toDeafServer;
      connection.write(Buffer.alloc(1_000));
      yield* eventLoopTurn;
      meetReset(connection, far);
      connection.write(Buffer.alloc(1_000));
      connection.end();
      connection.destroy();
      yield* eventLoopTurn;
      assert.strictEqual(connection.readable, 0);
      assert.strictEqual(connection.failure, undefined);
    }),
  );
});
