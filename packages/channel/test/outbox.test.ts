import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber, Schema } from "effect";
import { Random } from "../../../test/support/fuzz.ts";
import { CELL_LEN, CircuitOutbox, TurnList } from "../src/index.ts";
import { trainOf } from "./support/channel.ts";

const QUANTUM = 16;

/** A turn list and its circuits, and what each was given. */
class Model {
  readonly turns: TurnList;
  readonly outboxes: ReadonlyArray<CircuitOutbox>;
  readonly pushed: Array<number>;
  /** Cells that came out, as circuit and number. */
  readonly out: Array<readonly [circuit: number, number: number]> = [];
  activations = 0;

  constructor(circuits: number, limitCells = 128, quantum = QUANTUM) {
    this.turns = new TurnList({ quantum, onActive: () => this.activations++ });
    this.pushed = Array.from({ length: circuits }, () => 0);
    this.outboxes = this.pushed.map(
      (_, index) =>
        new CircuitOutbox({
          circId: 0x8000_0000 + index,
          turns: this.turns,
          limitCells,
          nanos: () => 0n,
        }),
    );
  }

  push(circuit: number, count: number): void {
    if (this.outboxes[circuit]!.push(trainOf(count, this.pushed[circuit]))) this.pushed[circuit]! += count;
  }

  /** One write of at most so many cells; returns how many there were. */
  compose(cells: number): number {
    // Not a whole number of cells: what remains must stay untouched.
    const buffer = Buffer.alloc(cells * CELL_LEN + 100, 0xee);
    const end = this.turns.compose(buffer, 0);
    assert.strictEqual(end % CELL_LEN, 0);
    for (let at = 0; at < end; at += CELL_LEN) {
      assert.strictEqual(buffer[at + 4], 3);
      this.out.push([buffer.readUInt32BE(at) - 0x8000_0000, buffer.readUInt32BE(at + 5)]);
    }
    assert.isTrue(buffer.subarray(end).equals(Buffer.alloc(buffer.length - end, 0xee)));
    return end / CELL_LEN;
  }

  /** How many cells of a circuit came out. */
  sent(circuit: number): number {
    return this.out.filter(([index]) => index === circuit).length;
  }
}

describe("the turns of circuits", () => {
  it.prop("keep the order within each circuit, and lose nothing", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const model = new Model(1 + random.below(6));
    for (let step = 0; step < 60; step++) {
      if (random.oneIn(3)) model.compose(1 + random.below(60));
      else model.push(random.below(model.outboxes.length), 1 + random.below(32));
    }
    while (model.turns.active) model.compose(1 + random.below(127));
    for (const [circuit, pushed] of model.pushed.entries()) {
      const numbers = model.out.filter(([index]) => index === circuit).map(([, number]) => number);
      assert.deepStrictEqual(
        numbers,
        Array.from({ length: pushed }, (_, index) => index),
      );
      assert.strictEqual(model.outboxes[circuit]!.cells, 0);
    }
  });

  it.prop("starve nobody, whatever the others do", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const circuits = 2 + random.below(8);
    const model = new Model(circuits, Number.POSITIVE_INFINITY);
    // Circuit 0 always has something to send; the others come and go as they like.
    let since = 0;
    let longest = 0;
    for (let step = 0; step < 60; step++) {
      if (model.outboxes[0]!.cells < 50) model.push(0, 50);
      for (let count = random.below(4); count > 0; count--) {
        model.push(1 + random.below(circuits - 1), 1 + random.below(32));
      }
      const before = model.out.length;
      model.compose(1 + random.below(40));
      for (const [circuit] of model.out.slice(before)) {
        since = circuit === 0 ? 0 : since + 1;
        longest = Math.max(longest, since);
      }
    }
    // Each of the others at most once as fresh and once in the long row before it is circuit 0's turn again.
    assert.isAtMost(longest, 2 * (circuits - 1) * QUANTUM);
  });

  it.prop("give circuits that all have much to send the same share", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const circuits = 2 + random.below(6);
    const model = new Model(circuits, Number.POSITIVE_INFINITY);
    for (let circuit = 0; circuit < circuits; circuit++) model.push(circuit, 1000);
    let total = 0;
    while (total < 900) {
      total += model.compose(1 + random.below(127));
      for (let circuit = 0; circuit < circuits; circuit++) {
        assert.isAtMost(Math.abs(model.sent(circuit) - total / circuits), QUANTUM);
      }
    }
  });

  it("let a single cell go before the bulk of others", () => {
    const model = new Model(4);
    for (const bulk of [0, 1, 2]) model.push(bulk, 100);
    model.compose(127);
    model.push(3, 1);
    model.compose(127);
    assert.deepStrictEqual(model.out[127], [3, 0]);
  });

  it("do not let a circuit stay first by trickling", () => {
    const model = new Model(2, Number.POSITIVE_INFINITY);
    model.push(0, 1000);
    model.compose(QUANTUM);
    for (let round = 0; round < 50; round++) {
      model.push(1, QUANTUM);
      model.compose(2 * QUANTUM);
    }
    assert.isAtLeast(model.sent(0), 40 * QUANTUM);
  });

  it("fill a buffer that is smaller than a quantum, and go on where they stopped", () => {
    const model = new Model(2);
    model.push(0, 20);
    model.push(1, 20);
    for (let round = 0; round < 10; round++) assert.strictEqual(model.compose(4), 4);
    assert.isFalse(model.turns.active);
    assert.deepStrictEqual(
      model.out.slice(0, QUANTUM).map(([circuit]) => circuit),
      Array.from({ length: QUANTUM }, () => 0),
    );
    assert.deepStrictEqual(
      model.out.slice(QUANTUM, 2 * QUANTUM).map(([circuit]) => circuit),
      Array.from({ length: QUANTUM }, () => 1),
    );
  });

  it("start where they are told to in the buffer", () => {
    const model = new Model(1);
    model.push(0, 2);
    const buffer = Buffer.alloc(3 * CELL_LEN);
    assert.strictEqual(model.turns.compose(buffer, CELL_LEN), 3 * CELL_LEN);
    assert.strictEqual(buffer.readUInt32BE(CELL_LEN), 0x8000_0000);
    assert.isTrue(buffer.subarray(0, CELL_LEN).every((byte) => byte === 0));
  });

  it("write the command of each train", () => {
    const model = new Model(1);
    const [outbox] = model.outboxes;
    outbox!.push(trainOf(1, 0, 9));
    outbox!.push(trainOf(1, 1, 3));
    const buffer = Buffer.alloc(2 * CELL_LEN);
    model.turns.compose(buffer, 0);
    assert.strictEqual(buffer[4], 9);
    assert.strictEqual(buffer[CELL_LEN + 4], 3);
  });

  it("tell that there is something to write", () => {
    const model = new Model(1);
    model.push(0, 1);
    assert.strictEqual(model.activations, 1);
    assert.isTrue(model.turns.active);
  });

  it("pass over a circuit that was destroyed", () => {
    const model = new Model(2);
    model.push(0, 5);
    model.push(1, 5);
    model.outboxes[0]!.close();
    assert.strictEqual(model.compose(100), 5);
    assert.isTrue(model.out.every(([circuit]) => circuit === 1));
    assert.strictEqual(model.compose(100), 0);
    assert.isFalse(model.turns.active);
  });
});

describe("a circuit's outbox", () => {
  it("takes no more once it is closed", () => {
    const model = new Model(1);
    const [outbox] = model.outboxes;
    model.push(0, 5);
    outbox!.close();
    assert.strictEqual(outbox!.cells, 0);
    assert.isFalse(outbox!.push(trainOf(1)));
    assert.strictEqual(outbox!.cells, 0);
  });

  it.effect("is full at its bound, takes one train beyond it, and says when there is room", () =>
    Effect.gen(function* () {
      const model = new Model(2, 10);
      const [outbox, other] = model.outboxes;
      model.push(0, 9);
      assert.isTrue(outbox!.hasRoom);
      yield* outbox!.waitForRoom();
      model.push(0, 32);
      assert.isFalse(outbox!.hasRoom);
      const waiting = yield* Effect.forkChild(outbox!.waitForRoom(), { startImmediately: true });
      model.compose(31);
      assert.strictEqual(outbox!.cells, 10);
      yield* Effect.yieldNow;
      assert.isUndefined(waiting.pollUnsafe());
      model.compose(1);
      yield* Fiber.join(waiting);
      // Its neighbour was never concerned.
      assert.isTrue(other!.hasRoom);
      yield* other!.waitForRoom();
    }),
  );

  it.effect("wakes who waits for room when it closes", () =>
    Effect.gen(function* () {
      const model = new Model(1, 1);
      model.push(0, 5);
      const waiting = yield* Effect.forkChild(model.outboxes[0]!.waitForRoom(), { startImmediately: true });
      model.outboxes[0]!.close();
      yield* Fiber.join(waiting);
      yield* model.outboxes[0]!.waitForRoom();
    }),
  );

  it("holds no train longer than it has to", () => {
    const model = new Model(1, Number.POSITIVE_INFINITY);
    for (let round = 0; round < 300; round++) {
      model.push(0, 3);
      model.push(0, 3);
      model.compose(5);
    }
    while (model.turns.active) model.compose(100);
    assert.strictEqual(model.out.length, 1800);
    const { trains } = model.outboxes[0] as unknown as { trains: ReadonlyArray<unknown> };
    assert.strictEqual(trains.length, 0);
  });

  it.effect("counts trains and waiting, for the topology", () =>
    Effect.gen(function* () {
      let now = 0n;
      const outbox = new CircuitOutbox({
        circId: 0xabc,
        turns: new TurnList({ quantum: 1, onActive: () => {} }),
        limitCells: 1,
        nanos: () => now,
      });
      outbox.push(trainOf(3));
      assert.strictEqual(outbox.name, "outbox abc");
      const waiting = yield* Effect.forkChild(outbox.waitForRoom());
      yield* Effect.yieldNow;
      now = 500n;
      assert.deepInclude(outbox.counters(), { items: 1, writerBlocks: 1, writerBlockedNanos: 500 });
      now = 700n;
      assert.strictEqual(outbox.drain(Buffer.alloc(CELL_LEN * 3), 0, 3), 3);
      while (waiting.pollUnsafe() === undefined) yield* Effect.yieldNow;
      now = 9000n;
      assert.deepInclude(outbox.counters(), { writerBlocks: 1, writerBlockedNanos: 700 });
    }),
  );
});
