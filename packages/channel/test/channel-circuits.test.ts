import { ChannelCommand, DestroyReason, encodeFixedCell, HandshakeType } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit, Fiber } from "effect";
import { type ChannelCircuit, ChannelLimit, ChannelLost, type CreateRequest } from "../src/index.ts";
import {
  acceptCircuit,
  drainNumbers,
  makeSignals,
  openChannel,
  type ReceivedCell,
  settle,
  settleUntil,
  type TestChannel,
  trainOf,
} from "./support/channel.ts";
import { makeIdentity } from "./support/identities.ts";

const RELAY = makeIdentity("peer", 0).peer;

const CREATE2 = { _tag: "CREATE2", handshakeType: HandshakeType.NTOR, handshake: Buffer.alloc(84, 5) } as const;

/** A circuit of ours. */
const open = (test: TestChannel, signals = makeSignals()) => test.channel.openCircuit(signals);

describe("circuits that the peer asks for", () => {
  it.effect("are offered with what was asked, and answered", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      test.peer.message(1, CREATE2);
      yield* settle;
      const request = test.requests[0] as CreateRequest;
      assert.strictEqual(request.circId, 1);
      assert.deepStrictEqual(request.message, CREATE2);
      assert.strictEqual(request.channel, test.channel);
      const circuit = request.accept(makeSignals());
      circuit.sendCell(ChannelCommand.CREATED2, Buffer.from([0, 1, 9]));
      yield* settle;
      const cells = test.peer.take();
      assert.deepStrictEqual(
        cells.map(({ name, circId }) => [name, circId]),
        [["CREATED2", 1]],
      );
      assert.strictEqual(cells[0]!.body.toString("hex", 0, 4), "00010900");
      assert.strictEqual(test.channel.circuitCount, 1);
    }),
  );

  it.effect("are refused with a reason", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      test.peer.message(1, CREATE2);
      yield* settle;
      test.requests[0]!.refuse(DestroyReason.RESOURCELIMIT);
      yield* settle;
      const [destroy] = test.peer.take();
      assert.deepInclude(destroy, { name: "DESTROY", circId: 1 });
      assert.strictEqual(destroy!.body[0], DestroyReason.RESOURCELIMIT);
      assert.strictEqual(test.channel.circuitCount, 0);
    }),
  );

  it.effect("are dropped, and leave the circuit alone, when their ID is in use", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const circuit = yield* acceptCircuit(test, 7);
      test.peer.message(7, CREATE2);
      test.peer.message(7, { _tag: "CREATE", handshake: Buffer.alloc(186) });
      test.peer.relay(7, 0);
      yield* settle;
      assert.deepStrictEqual(test.requests, []);
      assert.deepStrictEqual(test.peer.take(), []);
      assert.deepStrictEqual(drainNumbers(circuit), [0]);
    }),
  );

  for (const [initiated, peer] of [
    [true, RELAY],
    [false, RELAY],
    [false, undefined],
  ] as const) {
    const who = peer === undefined ? "client" : "relay";
    it.effect(`must be of the half of the ${who} that ${initiated ? "was connected to" : "connected"}`, () =>
      Effect.gen(function* () {
        const test = yield* openChannel({ initiated, ...(peer === undefined ? {} : { peer }) });
        test.peer.message(0x7fff_ffff, CREATE2);
        test.peer.message(0x8000_0000, CREATE2);
        yield* settle;
        const [theirs, ours] = initiated ? [0x7fff_ffff, 0x8000_0000] : [0x8000_0000, 0x7fff_ffff];
        assert.deepStrictEqual(
          test.requests.map(({ circId }) => circId),
          [theirs],
        );
        const [destroy] = test.peer.take();
        assert.deepInclude(destroy, { name: "DESTROY", circId: ours });
        assert.strictEqual(destroy!.body[0], DestroyReason.PROTOCOL);
      }),
    );
  }

  it.effect("are refused when they ask for TAP", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      test.peer.message(1, { _tag: "CREATE", handshake: Buffer.alloc(186) });
      yield* settle;
      const [destroy] = test.peer.take();
      assert.deepInclude(destroy, { name: "DESTROY", circId: 1 });
      assert.strictEqual(destroy!.body[0], DestroyReason.PROTOCOL);
    }),
  );

  it.effect("have ended already when they are accepted after the channel's end", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      test.peer.message(1, CREATE2);
      yield* settle;
      test.channel.close("shutdown");
      yield* test.end;
      const signals = makeSignals();
      const circuit = test.requests[0]!.accept(signals);
      assert.deepStrictEqual(circuit.inbox.ended(), { _tag: "ChannelClosed" });
      assert.strictEqual(signals.ends, 1);
      assert.isFalse(yield* circuit.send(trainOf(1)));
      assert.strictEqual(test.channel.circuitCount, 0);
    }),
  );

  it.effect("are dropped while the peer does not read the answers to earlier ones", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ onCreate: (request) => request.refuse(DestroyReason.RESOURCELIMIT) });
      test.network.stall("10.0.0.2", "10.0.0.1", true);
      const creates = Array.from({ length: 1500 }, (_, index) =>
        encodeFixedCell(index + 1, ChannelCommand.CREATE2, Buffer.from([0, 2, 0, 0])),
      );
      test.peer.send(...creates);
      yield* settleUntil(() => test.channel.counters.cellsIn === 1500);
      const { droppedCreates } = test.channel.counters;
      assert.isAtLeast(droppedCreates, 1);
      test.network.stall("10.0.0.2", "10.0.0.1", false);
      // 1024 that waited, and what the connection had been given before that.
      let answers = 0;
      yield* settleUntil(() => {
        answers += test.peer.take().length;
        return answers + droppedCreates === 1500;
      });
      test.peer.message(9999, CREATE2);
      yield* settle;
      assert.deepStrictEqual(test.peer.names(), ["DESTROY"]);
    }),
  );
});

describe("circuits of ours", () => {
  for (const initiated of [true, false]) {
    it.effect(
      `take IDs of the half of the side that ${initiated ? "connected" : "was connected to"}, never twice`,
      () =>
        Effect.gen(function* () {
          const test = yield* openChannel({ peer: RELAY, initiated });
          const ids = new Set<number>();
          for (let count = 0; count < 500; count++) ids.add((yield* open(test)).circId);
          assert.strictEqual(ids.size, 500);
          for (const circId of ids) {
            assert.strictEqual(circId >= 0x8000_0000, initiated);
            assert.notStrictEqual(circId, 0);
            assert.isAtMost(circId, 0xffff_ffff);
          }
        }),
    );
  }

  it.effect("get the answer to their CREATE, once", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ initiated: true });
      const circuit = yield* open(test);
      circuit.sendCell(ChannelCommand.CREATE2, Buffer.from([0, 2, 0, 1, 9]));
      yield* settle;
      assert.deepStrictEqual(test.peer.names(), ["CREATE2"]);
      const created = { _tag: "CREATED2", handshake: Buffer.alloc(64, 3) } as const;
      test.peer.message(circuit.circId, created);
      test.peer.message(circuit.circId, created);
      test.peer.relay(circuit.circId, 0);
      yield* settle;
      assert.strictEqual(circuit.inbox.takeControl()?.command, ChannelCommand.CREATED2);
      assert.isUndefined(circuit.inbox.takeControl());
      assert.strictEqual(test.channel.counters.strayCells, 1);
      assert.deepStrictEqual(drainNumbers(circuit), [0]);
    }),
  );

  it.effect("fail when the IDs are used up", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ initiated: true, below: () => 5 });
      yield* open(test);
      const error = yield* Effect.flip(open(test));
      assert.deepStrictEqual(error, new ChannelLimit({ limit: "circuitIds" }));
    }),
  );

  it.effect("fail on a closed channel", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      test.channel.close("shutdown");
      yield* test.end;
      assert.instanceOf(yield* Effect.flip(open(test)), ChannelLost);
    }),
  );
});

describe("cells of circuits", () => {
  it.effect("reach their circuit in order, RELAY_EARLY in trains of its own", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const one = yield* acceptCircuit(test, 1);
      const other = yield* acceptCircuit(test, 0x7fff_fffe);
      const cell = (circId: number, number: number, command: number) => {
        const body = Buffer.alloc(509);
        body.writeUInt32BE(number);
        return encodeFixedCell(circId, command, body);
      };
      const { RELAY: relay, RELAY_EARLY: early } = ChannelCommand;
      test.peer.send(cell(1, 1, early), cell(0x7fff_fffe, 7, relay), cell(1, 2, early), cell(1, 3, relay));
      test.peer.send(cell(0x7fff_fffe, 8, relay), cell(1, 4, relay));
      yield* settle;
      const first = one.inbox.take();
      assert.deepInclude(first, { command: early });
      const rest = drainNumbers(one);
      assert.deepStrictEqual([first!.slab.readUInt32BE(0), ...rest], [1, 2, 3, 4]);
      assert.deepStrictEqual(drainNumbers(other), [7, 8]);
    }),
  );

  it.effect("are counted and dropped when nobody has the circuit", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      test.peer.relay(5, 0);
      test.peer.relay(6, 0, ChannelCommand.RELAY_EARLY);
      test.peer.message(7, { _tag: "DESTROY", reason: 0 });
      test.peer.message(8, { _tag: "CREATED2", handshake: Buffer.alloc(3) });
      yield* settle;
      assert.strictEqual(test.channel.counters.strayCells, 4);
      assert.strictEqual(test.channel.closed, false);
    }),
  );

  it.effect("CREATED for a circuit that the peer asked for ends that circuit", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const circuit = yield* acceptCircuit(test, 1);
      const neighbour = yield* acceptCircuit(test, 2);
      test.peer.message(1, { _tag: "CREATED2", handshake: Buffer.alloc(3) });
      test.peer.relay(2, 0);
      yield* settle;
      assert.strictEqual(test.channel.counters.strayCells, 1);
      assert.deepStrictEqual(circuit.inbox.ended(), { _tag: "Destroyed", reason: DestroyReason.PROTOCOL });
      const [destroy, ...more] = test.peer.take();
      assert.deepInclude(destroy, { name: "DESTROY", circId: 1 });
      assert.strictEqual(destroy!.body[0], DestroyReason.PROTOCOL);
      assert.deepStrictEqual(more, []);
      assert.deepStrictEqual(drainNumbers(neighbour), [0]);
    }),
  );

  it.effect("leave in the order in which they were sent, whatever the IDs", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ initiated: true });
      const circuits: Array<ChannelCircuit> = [];
      for (let count = 0; count < 3; count++) circuits.push(yield* open(test));
      for (let round = 0; round < 20; round++) {
        for (const circuit of circuits) assert.isTrue(yield* circuit.send(trainOf(5, round * 5)));
      }
      const cells: Array<ReceivedCell> = [];
      yield* settleUntil(() => {
        cells.push(...test.peer.take());
        return cells.length === 300;
      });
      for (const { circId } of circuits) {
        const numbers = cells.filter((cell) => cell.circId === circId).map((cell) => cell.body.readUInt32BE(0));
        assert.deepStrictEqual(
          numbers,
          Array.from({ length: 100 }, (_, index) => index),
        );
      }
    }),
  );
});

describe("the end of a circuit", () => {
  it.effect("by the peer is told after what came before it", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const signals = makeSignals();
      const circuit = yield* acceptCircuit(test, 1, signals);
      test.peer.relay(1, 0);
      test.peer.message(1, { _tag: "DESTROY", reason: DestroyReason.FINISHED });
      test.peer.relay(1, 0);
      yield* settle;
      assert.strictEqual(signals.ends, 1);
      assert.isUndefined(circuit.inbox.ended());
      assert.deepStrictEqual(drainNumbers(circuit), [0]);
      assert.deepStrictEqual(circuit.inbox.ended(), { _tag: "Destroyed", reason: DestroyReason.FINISHED });
      assert.strictEqual(test.channel.counters.strayCells, 1);
      assert.strictEqual(test.channel.circuitCount, 0);
      // Nothing is said to the peer, who knows.
      circuit.destroy(DestroyReason.FINISHED);
      yield* settle;
      assert.deepStrictEqual(test.peer.take(), []);
    }),
  );

  it.effect("by its own is told to the peer once, and drops what waits", () =>
    Effect.gen(function* () {
      const test = yield* openChannel();
      const signals = makeSignals();
      const circuit = yield* acceptCircuit(test, 1, signals);
      test.network.stall("10.0.0.2", "10.0.0.1", true);
      // The first train is given to the connection, the second waits.
      assert.isTrue(yield* circuit.send(trainOf(1, 1)));
      yield* settle;
      assert.isTrue(yield* circuit.send(trainOf(10, 100)));
      circuit.destroy(DestroyReason.FINISHED);
      circuit.destroy(DestroyReason.FINISHED);
      assert.strictEqual(circuit.outbox.cells, 0);
      assert.isFalse(yield* circuit.send(trainOf(1)));
      circuit.sendCell(ChannelCommand.CREATED2, Buffer.alloc(3));
      test.network.stall("10.0.0.2", "10.0.0.1", false);
      yield* settle;
      assert.deepStrictEqual(test.peer.names(), ["RELAY", "DESTROY"]);
      assert.strictEqual(signals.ends, 0);
      test.peer.relay(1, 0);
      yield* settle;
      assert.strictEqual(test.channel.counters.strayCells, 1);
    }),
  );

  it.effect("wakes a writer that waits for room, with false", () =>
    Effect.gen(function* () {
      for (const how of ["destroy", "DESTROY", "channel"] as const) {
        const test = yield* openChannel({ config: { outboxLimitCells: 4 } });
        const circuit = yield* acceptCircuit(test, 1);
        test.network.stall("10.0.0.2", "10.0.0.1", true);
        for (let count = 0; count < 2; count++) {
          assert.isTrue(yield* circuit.send(trainOf(4)));
          yield* settle;
        }
        const waiting = yield* Effect.forkChild(circuit.send(trainOf(1)));
        yield* settle;
        assert.isUndefined(waiting.pollUnsafe());
        if (how === "destroy") circuit.destroy(DestroyReason.NONE);
        else if (how === "DESTROY") test.peer.message(1, { _tag: "DESTROY", reason: 0 });
        else test.channel.close("shutdown");
        yield* settle;
        assert.deepStrictEqual(waiting.pollUnsafe(), Exit.succeed(false), how);
        yield* Fiber.interrupt(test.fiber);
      }
    }),
  );

  it.effect("by an overrun is told at once, while its neighbours go on", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ config: { inboxLimitBytes: () => 10 * 509 } });
      const signals = makeSignals();
      const lazy = yield* acceptCircuit(test, 1, signals);
      const busy = yield* acceptCircuit(test, 2);
      for (let count = 0; count < 10; count++) {
        test.peer.relay(1, 0);
        test.peer.relay(2, 0);
      }
      yield* settle;
      assert.strictEqual(signals.ends, 0);
      assert.strictEqual(lazy.inbox.bytes, 10 * 509);
      assert.strictEqual(drainNumbers(busy).length, 10);
      test.peer.relay(1, 0);
      test.peer.relay(2, 0);
      yield* settle;
      assert.strictEqual(signals.ends, 1);
      assert.deepStrictEqual(lazy.inbox.ended(), { _tag: "Overrun", bytes: 10 * 509 });
      assert.strictEqual(lazy.inbox.bytes, 0);
      assert.strictEqual(drainNumbers(busy).length, 1);
      assert.isUndefined(busy.inbox.ended());
      lazy.destroy(DestroyReason.RESOURCELIMIT);
      yield* settle;
      assert.deepStrictEqual(test.peer.names(), ["DESTROY"]);
    }),
  );

  it.effect("comes to all circuits when the channel ends", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ peer: RELAY });
      const signals = [makeSignals(), makeSignals(), makeSignals()];
      const circuits: Array<ChannelCircuit> = [];
      for (const [index, signal] of signals.entries()) {
        circuits.push(index === 0 ? yield* open(test, signal) : yield* acceptCircuit(test, index, signal));
      }
      test.network.cut("10.0.0.1", "10.0.0.2");
      const end = yield* test.end;
      assert.instanceOf(end, ChannelLost);
      assert.deepInclude((end as ChannelLost).cause, { kind: "reset" });
      assert.strictEqual((end as ChannelLost).fault, "peerClosed");
      for (const circuit of circuits) assert.deepStrictEqual(circuit.inbox.ended(), { _tag: "ChannelClosed" });
      assert.deepStrictEqual(
        signals.map(({ ends }) => ends),
        [1, 1, 1],
      );
      assert.strictEqual(test.channel.circuitCount, 0);
    }),
  );
});
