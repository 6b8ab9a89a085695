import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import type { Connection } from "../src/index.ts";
import { releaseWriteBuffer, takeWriteBuffer } from "../src/write-buffers.ts";
import { acceptCircuit, openChannel, settle, settleUntil, trainOf } from "./support/channel.ts";

/** Notes what a connection is given to write. */
const watch = (connection: Connection): Array<Buffer> => {
  const written: Array<Buffer> = [];
  const { write } = connection;
  Object.assign(connection, {
    write: (bytes: Buffer) => {
      assert.strictEqual(connection.pending, 0, "a write while bytes were pending");
      written.push(bytes);
      write.call(connection, bytes);
    },
  });
  return written;
};

describe("a channel's writer", () => {
  it.effect("gathers what all circuits have ready into one write of at most 64 KiB", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const one = yield* acceptCircuit(test, 1);
      const other = yield* acceptCircuit(test, 2);
      const written = watch(test.connection);
      for (let count = 0; count < 4; count++) {
        yield* one.send(trainOf(32));
        yield* other.send(trainOf(32));
      }
      let got = 0;
      yield* settleUntil(() => {
        got += test.peer.take().length;
        return got === 256;
      });
      assert.deepStrictEqual(
        written.map((bytes) => bytes.length / 514),
        [127, 127, 2],
      );
    }),
  );

  it.effect("writes nothing more before the connection is rid of what it has", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const circuit = yield* acceptCircuit(test, 1);
      const written = watch(test.connection);
      test.network.setLine("10.0.0.2", "10.0.0.1", { bandwidth: 51_400 });
      for (let count = 0; count < 4; count++) {
        yield* circuit.send(trainOf(10));
        yield* TestClock.adjust("10 millis");
      }
      // Ten cells take a tenth of a second; the other thirty waited for them, and went together.
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual(
        written.map((bytes) => bytes.length / 514),
        [10, 30],
      );
      assert.strictEqual(test.peer.take().length, 40);
    }),
  );

  it.effect("uses the same buffer again, and none while it is idle", () =>
    Effect.gen(function* () {
      const one = yield* openChannel();
      const other = yield* openChannel({ id: 2 });
      const writes = [watch(one.connection), watch(other.connection)].map((written) => written);
      for (let round = 0; round < 5; round++) {
        for (const test of [one, other]) {
          const circuit = yield* acceptCircuit(test, round + 1);
          yield* circuit.send(trainOf(3, round * 3));
          yield* settle;
        }
      }
      // Idle between its writes, each gave the buffer back, and the other took it.
      assert.strictEqual(new Set(writes.flat().map((bytes) => bytes.buffer)).size, 1);
      for (const test of [one, other]) {
        const numbers = test.peer.take().map((cell) => cell.body.readUInt32BE(0));
        assert.deepStrictEqual(
          numbers,
          Array.from({ length: 15 }, (_, index) => index),
        );
      }
    }),
  );

  it.effect("suspends only the circuit whose outbox is full", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ config: { outboxLimitCells: 16 } });
      const bulk = yield* acceptCircuit(test, 1);
      const single = yield* acceptCircuit(test, 2);
      test.network.stall("10.0.0.2", "10.0.0.1", true);
      const sending = yield* Effect.forkChild(
        Effect.gen(function* () {
          for (let first = 0; first < 100; first += 10) assert.isTrue(yield* bulk.send(trainOf(10, first)));
        }),
      );
      yield* settle;
      assert.isUndefined(sending.pollUnsafe());
      assert.isAtMost(bulk.outbox.cells, 16 + 10 - 1);
      assert.isTrue(yield* single.send(trainOf(1)));
      test.network.stall("10.0.0.2", "10.0.0.1", false);
      const order: Array<number> = [];
      yield* settleUntil(() => {
        order.push(...test.peer.take().map(({ circId }) => circId));
        return order.length === 101;
      });
      yield* Fiber.join(sending);
      // Two trains were with the connection already; then the single cell waited for one turn of its neighbour at most.
      assert.isAtMost(order.indexOf(2), 20 + 16);
    }),
  );

  it.effect("does not write for circuits that have nothing left to send, nor keep a buffer for them", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const circuit = yield* acceptCircuit(test, 1);
      const buffer = takeWriteBuffer();
      releaseWriteBuffer(buffer);
      const written = watch(test.connection);
      const before = { ...test.channel.counters };
      yield* circuit.send(trainOf(5));
      circuit.outbox.clear();
      yield* settle;
      assert.deepStrictEqual(written, []);
      assert.strictEqual(test.channel.counters.bytesOut, before.bytesOut);
      assert.strictEqual(takeWriteBuffer(), buffer);
    }),
  );
});
