import { ChannelCommand, DestroyReason, encodeFixedCell, encodeVariableCell } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { Cause, Effect, Fiber } from "effect";
import { ChannelDefect, ChannelLost, ChannelProtocolError } from "../src/index.ts";
import { acceptCircuit, drainNumbers, makeSignals, openChannel, settle, trainOf } from "./support/channel.ts";

describe("the end of a channel", () => {
  it.effect("comes when the peer closes in good order", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const circuit = yield* acceptCircuit(test, 1);
      test.peer.relay(1, 0);
      test.peer.connection.end();
      const end = yield* test.end;
      assert.deepStrictEqual(end, new ChannelLost({ cause: undefined }));
      // What came before can still be read.
      assert.deepStrictEqual(drainNumbers(circuit), [0]);
      assert.strictEqual(test.connection.status, "closed");
    }),
  );

  const violations: ReadonlyArray<readonly [string, Buffer]> = [
    ["CERTS", encodeVariableCell(0, ChannelCommand.CERTS, Buffer.of(0))],
    ["AUTH_CHALLENGE", encodeVariableCell(0, ChannelCommand.AUTH_CHALLENGE, Buffer.alloc(34))],
    ["AUTHENTICATE", encodeVariableCell(0, ChannelCommand.AUTHENTICATE, Buffer.alloc(4))],
    ["VERSIONS", encodeVariableCell(0, ChannelCommand.VERSIONS, Buffer.of(4))],
    ["VERSIONS", encodeVariableCell(5, ChannelCommand.VERSIONS, Buffer.of(0, 4, 0))],
    ["variable-length cell", Buffer.concat([encodeVariableCell(0, 128, Buffer.alloc(16_385)), Buffer.alloc(9)])],
  ];
  for (const [where, cell] of violations) {
    it.effect(`comes when the peer sends what an open channel must not carry: ${where}`, () =>
      Effect.gen(function* () {
        const test = yield* openChannel();
        const circuit = yield* acceptCircuit(test, 7);
        test.peer.relay(7, 0);
        test.peer.send(cell);
        const end = yield* test.end;
        assert.instanceOf(end, ChannelProtocolError);
        assert.strictEqual((end as ChannelProtocolError).where, where);
        assert.strictEqual((end as ChannelProtocolError).fault, "protocol");
        assert.include((end as ChannelProtocolError).message, where);
        assert.deepStrictEqual(drainNumbers(circuit), [0]);
        assert.deepStrictEqual(circuit.inbox.ended(), { _tag: "ChannelClosed" });
      }),
    );
  }

  it.effect("does not come by what may be ignored", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      test.peer.send(
        encodeFixedCell(0, ChannelCommand.PADDING, Buffer.alloc(0)),
        encodeVariableCell(0, ChannelCommand.VPADDING, Buffer.alloc(70)),
        encodeVariableCell(0, ChannelCommand.AUTHORIZE, Buffer.alloc(3)),
        encodeVariableCell(0, ChannelCommand.VERSIONS, Buffer.from([0, 4])),
        encodeFixedCell(0, ChannelCommand.NETINFO, Buffer.alloc(40)),
        encodeFixedCell(3, 99, Buffer.alloc(40)),
        encodeVariableCell(3, 222, Buffer.alloc(40)),
      );
      yield* settle;
      assert.strictEqual(test.channel.closed, false);
      assert.strictEqual(test.channel.counters.paddingIn, 2);
      assert.strictEqual(test.channel.counters.cellsIn, 7);
    }),
  );

  it.effect("does not come by malformed cells, which are the affair of their circuits at most", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const circuit = yield* acceptCircuit(test, 1);
      const tooLong = Buffer.from([0, 2, 255, 255]);
      test.peer.send(
        encodeFixedCell(5, ChannelCommand.CREATE2, tooLong),
        // For an ID in use, and for none.
        encodeFixedCell(1, ChannelCommand.CREATE2, tooLong),
        encodeFixedCell(0, ChannelCommand.CREATE2, Buffer.from([0, 2, 0, 0])),
        encodeFixedCell(0, ChannelCommand.CREATE_FAST, Buffer.alloc(20)),
        encodeFixedCell(0, ChannelCommand.DESTROY, Buffer.alloc(1)),
        encodeFixedCell(9, ChannelCommand.CREATED2, Buffer.from([255, 255])),
        encodeFixedCell(0, ChannelCommand.CREATED2, Buffer.from([0, 0])),
        encodeFixedCell(1, ChannelCommand.PADDING, Buffer.alloc(0)),
        encodeVariableCell(1, ChannelCommand.VPADDING, Buffer.alloc(0)),
        encodeFixedCell(0, ChannelCommand.PADDING_NEGOTIATE, Buffer.from([9, 2])),
        encodeFixedCell(0, ChannelCommand.PADDING_NEGOTIATE, Buffer.from([0, 9])),
        encodeFixedCell(1, ChannelCommand.PADDING_NEGOTIATE, Buffer.from([0, 2])),
        encodeVariableCell(1, ChannelCommand.VERSIONS, Buffer.of(0, 4)),
      );
      test.peer.relay(1, 0);
      yield* settle;
      assert.isFalse(test.channel.closed);
      assert.deepStrictEqual(test.requests, []);
      assert.deepStrictEqual(
        test.peer.take().map(({ name, circId, body }) => [name, circId, body[0]]),
        [["DESTROY", 5, DestroyReason.PROTOCOL]],
      );
      assert.deepStrictEqual(drainNumbers(circuit), [0]);
      assert.strictEqual(test.channel.counters.strayCells, 11);
    }),
  );

  it.effect("does not come by CREATED2 that is too long for its cell: whoever waits for it sees what is wrong", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ initiated: true });
      const circuit = yield* test.channel.openCircuit(makeSignals());
      test.peer.send(encodeFixedCell(circuit.circId, ChannelCommand.CREATED2, Buffer.from([255, 255])));
      yield* settle;
      assert.isFalse(test.channel.closed);
      assert.strictEqual(circuit.inbox.takeControl()?.payload.readUInt16BE(0), 0xffff);
    }),
  );

  it.effect("is a bug of ours when our code throws, and is not blamed on the peer", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({
        onCreate: () => {
          throw new Error("not thought of");
        },
      });
      const signals = makeSignals();
      const circuit = yield* test.channel.openCircuit(signals);
      test.peer.message(1, { _tag: "CREATE_FAST", keyMaterial: Buffer.alloc(20) });
      const end = yield* test.end;
      assert.instanceOf(end, ChannelDefect);
      assert.strictEqual((end as ChannelDefect).fault, "bug");
      assert.include(Cause.pretty((end as ChannelDefect).cause), "not thought of");
      assert.deepStrictEqual(circuit.inbox.ended(), { _tag: "ChannelClosed" });
    }),
  );

  it.effect("keeps the first reason", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      test.channel.close("idle");
      test.channel.close("shutdown");
      test.network.cut("10.0.0.1", "10.0.0.2");
      assert.strictEqual(yield* test.end, "idle");
    }),
  );

  it.effect("sends the DESTROY cells that wait before it closes in good order", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const circuit = yield* acceptCircuit(test, 1);
      circuit.destroy(DestroyReason.FINISHED);
      test.channel.close("shutdown");
      assert.strictEqual(yield* test.end, "shutdown");
      yield* settle;
      assert.deepStrictEqual(test.peer.names(), ["DESTROY"]);
      assert.strictEqual(test.peer.connection.status, "ended");
    }),
  );

  it.effect("comes with its scope, and is not kept by a peer that does not read", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const circuit = yield* acceptCircuit(test, 1);
      test.network.stall("10.0.0.2", "10.0.0.1", true);
      assert.isTrue(yield* circuit.send(trainOf(20)));
      yield* Fiber.interrupt(test.fiber);
      assert.strictEqual(test.channel.closed, true);
      assert.strictEqual(test.connection.status, "closed");
      assert.deepStrictEqual(circuit.inbox.ended(), { _tag: "ChannelClosed" });
    }),
  );

  it.effect("before it has begun to run releases it too", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ run: false });
      const circuit = yield* test.channel.openCircuit(makeSignals());
      test.channel.close("shutdown");
      assert.strictEqual(test.connection.status, "closed");
      assert.deepStrictEqual(circuit.inbox.ended(), { _tag: "ChannelClosed" });
      assert.strictEqual(yield* Effect.scoped(test.channel.run()), "shutdown");
    }),
  );
});

describe("a busy channel", () => {
  it.effect("gives others a turn while its peer sends without end", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      // A connection that is never empty.
      const flood = Buffer.concat(Array.from({ length: 32 }, () => encodeFixedCell(0, 0, Buffer.alloc(0))));
      let turns = 0;
      Object.assign(test.connection, { read: () => (turns < 50 ? Buffer.from(flood) : undefined) });
      yield* Effect.forkChild(
        Effect.gen(function* () {
          for (;;) {
            turns++;
            yield* Effect.yieldNow;
          }
        }),
      );
      test.peer.relay(1, 0);
      while (turns < 50) yield* Effect.yieldNow;
      // The flood and its neighbour took turns: at most 64 KiB for each.
      assert.isAtMost(test.channel.counters.cellsIn, 60 * 160);
      assert.isAtLeast(test.channel.counters.cellsIn, 20 * 128);
    }),
  );

  it.effect("gives others a turn after a few CREATEs, which are expensive", () =>
    Effect.gen(function* () {
      let inTurn = 0;
      let most = 0;
      const test = yield* openChannel({
        onCreate: (request) => {
          most = Math.max(most, ++inTurn);
          request.refuse(0);
        },
      });
      yield* Effect.forkChild(
        Effect.gen(function* () {
          for (;;) {
            inTurn = 0;
            yield* Effect.yieldNow;
          }
        }),
      );
      const creates = Array.from({ length: 100 }, (_, index) =>
        encodeFixedCell(index + 1, ChannelCommand.CREATE2, Buffer.from([0, 2, 0, 0])),
      );
      test.peer.send(...creates);
      for (let turn = 0; turn < 200; turn++) yield* Effect.yieldNow;
      assert.isAtMost(most, 4);
      assert.isAtLeast(most, 1);
      assert.strictEqual(test.channel.counters.cellsIn, 100);
    }),
  );

  it.effect("counts what comes and goes", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const circuit = yield* acceptCircuit(test, 1);
      assert.isTrue(yield* circuit.send(trainOf(7)));
      circuit.sendCell(ChannelCommand.CREATED_FAST, Buffer.alloc(40));
      test.peer.relay(1, 0);
      yield* settle;
      const { counters } = test.channel;
      assert.deepInclude(counters, { cellsIn: 2, bytesIn: 2 * 514, cellsOut: 8, bytesOut: 8 * 514 });
    }),
  );

  it.effect("is blocked while cells wait behind a connection that takes none", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const circuit = yield* acceptCircuit(test, 1);
      assert.isFalse(test.channel.blocked);
      test.network.stall("10.0.0.2", "10.0.0.1", true);
      yield* circuit.send(trainOf(1));
      yield* settle;
      yield* circuit.send(trainOf(1));
      yield* settle;
      assert.isTrue(test.channel.blocked);
      test.network.stall("10.0.0.2", "10.0.0.1", false);
      yield* settle;
      assert.isFalse(test.channel.blocked);
    }),
  );

  for (const linkProtocol of [4, 5]) {
    it.effect(`speaks link protocol ${linkProtocol}`, () =>
      Effect.gen(function* () {
        const test = yield* openChannel({ linkProtocol });
        const circuit = yield* acceptCircuit(test, 1);
        assert.strictEqual(test.channel.linkProtocol, linkProtocol);
        test.peer.relay(1, 0);
        yield* circuit.send(trainOf(1));
        yield* settle;
        assert.deepStrictEqual(drainNumbers(circuit), [0]);
        assert.deepStrictEqual(test.peer.names(), ["RELAY"]);
      }),
    );
  }
});
