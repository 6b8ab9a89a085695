import { ChannelCommand } from "@allium/cell";
import { Memory, type MemoryAccount, MemoryQuota, Signal } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Schema } from "effect";
import { Random } from "../../../test/support/fuzz.ts";
import { CELL_LEN, CircuitInbox, CircuitOutbox, slabBytes, TurnList } from "../src/index.ts";
import { WRITE_BUFFER_BYTES } from "../src/write-buffers.ts";
import { acceptCircuit, makeSignals, openChannel, settle, trainOf } from "./support/channel.ts";

const CIRCUITS = { name: "circuits", policy: "queue" } as const;

const open = (quota: MemoryQuota): MemoryAccount => quota.open(CIRCUITS);

/** A model of a queue: the place in line of each cell that waits. */
class Places {
  readonly of: Array<number> = [];
  push(count: number, place: number): void {
    for (let cell = 0; cell < count; cell++) this.of.push(place);
  }
}

describe("what a circuit's queues charge", () => {
  it.prop("is what waits in its inbox and outbox, and the oldest is known", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const quota = new MemoryQuota();
    const memory = open(quota);
    const maxTrain = random.pick([1, 4, 32]);
    const inbox = new CircuitInbox({ circId: 1, signal: Signal.make(), limitBytes: 509 * 500, maxTrain, memory });
    const turns = new TurnList({ quantum: 16, onActive: () => {} });
    const outbox = new CircuitOutbox({
      circId: 1,
      turns,
      limitCells: 1000,
      nanos: () => 0n,
      memory,
    });
    /** Some other circuit, so that places in line are not only ours. */
    const other = open(quota);
    const came = new Places();
    const goes = new Places();
    const cell = Buffer.alloc(509);
    const buffer = Buffer.alloc(64 * 1024);
    for (let step = 0; step < 400; step++) {
      other.adjust(1);
      switch (random.below(5)) {
        case 0:
        case 1: {
          const before = quota.used;
          inbox.push(random.oneIn(9) ? ChannelCommand.RELAY_EARLY : ChannelCommand.RELAY, cell, 0);
          // A cell has the place of its slab.
          came.push(1, quota.used === before ? came.of.at(-1)! : other.adjust(0) - 1);
          break;
        }
        case 2: {
          const count = inbox.take()?.count ?? 0;
          came.of.splice(0, count);
          break;
        }
        case 3: {
          const count = 1 + random.below(maxTrain);
          outbox.push(trainOf(count));
          goes.push(count, other.adjust(0) - 1);
          break;
        }
        default: {
          const end = turns.compose(buffer.subarray(0, random.below(20) * CELL_LEN + 3), 0);
          goes.of.splice(0, end / CELL_LEN);
        }
      }
      // A slab is charged whole, and is twice as large at most as what waited before it.
      const inSlabs = memory.bytes - slabBytes(goes.of.length);
      assert.isAtLeast(inSlabs, slabBytes(came.of.length));
      assert.isAtMost(inSlabs, slabBytes(3 * came.of.length + 2 * maxTrain));
      if (came.of.length === 0) assert.strictEqual(inSlabs, 0);
      assert.strictEqual(inbox.oldest(), came.of[0]);
      if (goes.of.length === 0) assert.strictEqual(outbox.oldest(), undefined);
      else assert.isAtMost(outbox.oldest()!, goes.of[0]!);
    }
    if (random.oneIn(2)) inbox.clear();
    else inbox.close({ _tag: "Overrun", bytes: 0 });
    outbox.close();
    assert.strictEqual(memory.bytes, 0);
    assert.strictEqual(inbox.oldest(), undefined);
    assert.strictEqual(outbox.oldest(), undefined);
  });

  it("is nothing more once it was destroyed or has overrun", () => {
    const quota = new MemoryQuota();
    const memory = open(quota);
    const inbox = new CircuitInbox({ circId: 1, signal: Signal.make(), limitBytes: 509 * 3, maxTrain: 32, memory });
    for (let cell = 0; cell < 5; cell++) inbox.push(ChannelCommand.RELAY, Buffer.alloc(509), 0);
    assert.strictEqual(inbox.ended()?._tag, "Overrun");
    assert.strictEqual(quota.used, 0);
  });
});

describe("what a channel charges", () => {
  it.effect("is its write buffer while its peer does not read, and the cells that wait before all trains", () =>
    Effect.gen(function* () {
      const quota = new MemoryQuota();
      yield* Effect.gen(function* () {
        const test = yield* openChannel({ farReadBytes: 1 });
        assert.strictEqual(quota.used, 0);
        const memory = open(quota);
        const circuit = yield* acceptCircuit(test, 1, { ...makeSignals(), memory });
        test.network.stall("10.0.0.2", "10.0.0.1", true);
        yield* circuit.send(trainOf(2));
        yield* settle;
        assert.strictEqual(quota.used, WRITE_BUFFER_BYTES);
        assert.strictEqual(memory.bytes, 0);
        // What waits behind it is the circuit's.
        yield* circuit.send(trainOf(3));
        circuit.sendCell(ChannelCommand.CREATED_FAST, Buffer.alloc(40));
        yield* settle;
        assert.strictEqual(quota.used, WRITE_BUFFER_BYTES + 3 * 509 + CELL_LEN);
        assert.strictEqual(memory.bytes, 3 * 509);
        test.network.stall("10.0.0.2", "10.0.0.1", false);
        yield* settle;
        test.peer.take();
        yield* settle;
        test.peer.take();
        yield* settle;
        assert.strictEqual(quota.used, 0);
        test.channel.close("shutdown");
        assert.strictEqual(yield* test.end, "shutdown");
      }).pipe(Effect.scoped, Effect.provideService(Memory.Quota, quota));
      assert.deepStrictEqual(
        quota.sums().map(({ kind, accounts, bytes }) => [kind.name, accounts, bytes]),
        [
          ["channels", 0, 0],
          ["circuits", 1, 0],
        ],
      );
    }),
  );

  it.effect("is reclaimed by closing the channel that has waited longest", () =>
    Effect.gen(function* () {
      // Three buffers of 64 KiB are more than a fifth; a tenth has room for one.
      const quota = new MemoryQuota({ limit: 700 * 1024 });
      yield* Effect.gen(function* () {
        const tests = yield* Effect.forEach([0, 1, 2, 3], (id) => openChannel({ id, farReadBytes: 1 }));
        for (const index of [1, 0, 2]) {
          const test = tests[index]!;
          test.network.stall("10.0.0.2", "10.0.0.1", true);
          const circuit = yield* acceptCircuit(test, 1);
          yield* circuit.send(trainOf(1));
          yield* settle;
        }
        const crowd = quota.open(CIRCUITS);
        crowd.adjust(600 * 1024);
        assert.deepStrictEqual(
          [...quota.reclaim()].map(({ kind, bytes }) => [kind.name, bytes]),
          [
            ["channels", WRITE_BUFFER_BYTES],
            ["channels", WRITE_BUFFER_BYTES],
          ],
        );
        assert.strictEqual(yield* tests[1]!.end, "memory");
        assert.strictEqual(yield* tests[0]!.end, "memory");
        assert.isFalse(tests[2]!.channel.closed);
        assert.isFalse(tests[3]!.channel.closed);
      }).pipe(Effect.scoped, Effect.provideService(Memory.Quota, quota));
    }),
  );
});
