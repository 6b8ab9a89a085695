import { ChannelCommand } from "@allium/cell";
import { Signal } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random } from "../../../test/support/fuzz.ts";
import { CircuitInbox, type Train } from "../src/index.ts";
import { numbersOf } from "./support/channel.ts";

const { RELAY, RELAY_EARLY } = ChannelCommand;

const CREATED = { command: ChannelCommand.CREATED2, payload: Buffer.alloc(509) };

const makeInbox = (options: { readonly limitCells?: number; readonly maxTrain?: number } = {}) => {
  const signal = Signal.make();
  let ends = 0;
  const inbox = new CircuitInbox({
    circId: 0x8000_0001,
    signal,
    limitBytes: (options.limitCells ?? 1000) * 509,
    maxTrain: options.maxTrain ?? 32,
    listener: {
      onEnd: () => {
        ends++;
      },
    },
  });
  return { inbox, signal, ends: () => ends };
};

/** What a socket delivered: a cell somewhere in a larger chunk. */
const chunk = Buffer.alloc(600, 0xaa);

const push = (inbox: CircuitInbox, number: number, command: number = RELAY): void => {
  chunk.writeUInt32BE(number, 7);
  inbox.push(command, chunk, 7);
};

describe("a circuit's inbox", () => {
  it.prop("gives back what came, in order, in trains of one command", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const maxTrain = random.pick([1, 4, 32]);
    const { inbox } = makeInbox({ maxTrain });
    const came: Array<readonly [number, number]> = [];
    const taken: Array<readonly [number, number]> = [];
    const take = () => {
      const train = inbox.take();
      if (train === undefined) return false;
      assert.isAtMost(train.count, maxTrain);
      assert.isAtLeast(train.count, 1);
      assert.strictEqual(train.slab.length, train.count * 509);
      for (const number of numbersOf(train)) taken.push([train.command, number]);
      return true;
    };
    for (let step = 0; step < 300; step++) {
      if (random.oneIn(6)) take();
      const command = random.oneIn(20) ? RELAY_EARLY : RELAY;
      push(inbox, step, command);
      came.push([command, step]);
      assert.strictEqual(inbox.bytes, (came.length - taken.length) * 509);
    }
    while (take());
    assert.deepStrictEqual(taken, came);
    assert.strictEqual(inbox.bytes, 0);
  });

  it("copies: the socket's bytes may change", () => {
    const { inbox } = makeInbox();
    push(inbox, 1);
    push(inbox, 2);
    chunk.fill(0xff);
    const numbers: Array<number> = [];
    for (let train = inbox.take(); train !== undefined; train = inbox.take()) numbers.push(...numbersOf(train));
    assert.deepStrictEqual(numbers, [1, 2]);
    chunk.fill(0xaa);
  });

  it("lends a train's slab until the next one is asked for, then fills it with other cells", () => {
    const { inbox } = makeInbox();
    const trains = (count: number): Array<Buffer> => {
      const slabs: Array<Buffer> = [];
      for (let number = 0; number < count; number++) push(inbox, number);
      for (let train = inbox.take(); train !== undefined; train = inbox.take()) slabs.push(train.slab);
      return slabs;
    };
    const [first] = trains(200).slice(-2);
    for (let number = 500; number < 532; number++) push(inbox, number);
    const lent = inbox.take();
    for (let number = 600; number < 632; number++) push(inbox, number);
    assert.deepStrictEqual(
      numbersOf(lent as Train),
      Array.from({ length: lent?.count ?? 0 }, (_, index) => 500 + index),
    );
    for (let train = inbox.take(); train !== undefined; train = inbox.take()) assert.isAbove(train.count, 0);
    assert.include(
      trains(64).map(({ buffer }) => buffer),
      (first as Buffer).buffer,
    );
  });

  it("keeps its trains long from one burst to the next, and lets them shrink by halves", () => {
    const { inbox } = makeInbox();
    const counts = (burst: number): Array<number> => {
      const trains: Array<number> = [];
      for (let number = 0; number < burst; number++) push(inbox, number);
      for (let train = inbox.take(); train !== undefined; train = inbox.take()) trains.push(train.count);
      return trains;
    };
    counts(100);
    assert.deepStrictEqual(counts(100), [16, 32, 32, 20]);
    assert.deepStrictEqual(counts(1), [1]);
    assert.deepStrictEqual(counts(1), [1]);
    assert.deepStrictEqual(counts(10), [5, 5]);
  });

  it("makes its trains longer while the circuit lags behind", () => {
    const { inbox } = makeInbox();
    for (let number = 0; number < 100; number++) push(inbox, number);
    const counts: Array<number> = [];
    for (let train = inbox.take(); train !== undefined; train = inbox.take()) counts.push(train.count);
    assert.deepStrictEqual(counts, [1, 2, 4, 8, 16, 32, 32, 5]);
  });

  it.prop(
    "holds little more memory than what waits in it, whatever the peer sends",
    { seed: Schema.Int },
    ({ seed }) => {
      const random = new Random(seed);
      const { inbox } = makeInbox({ limitCells: 5000 });
      const pattern = Array.from({ length: 1 + random.below(40) }, () => (random.oneIn(2) ? RELAY : RELAY_EARLY));
      for (let number = 0; number < 2000; number++) push(inbox, number, pattern[number % pattern.length]);
      const waiting = inbox.bytes;
      const memory = new Set<ArrayBufferLike>();
      for (let train = inbox.take(); train !== undefined; train = inbox.take()) memory.add(train.slab.buffer);
      let held = 0;
      for (const buffer of memory) held += buffer.byteLength;
      assert.isAtMost(held, 2 * waiting + 128 * 1024);
    },
  );

  it("ends with an overrun at its bound, and drops what waits", () => {
    const { inbox, ends } = makeInbox({ limitCells: 3 });
    for (let number = 0; number < 3; number++) push(inbox, number);
    assert.strictEqual(inbox.bytes, 3 * 509);
    assert.isUndefined(inbox.ended());
    push(inbox, 3);
    assert.deepStrictEqual(inbox.ended(), { _tag: "Overrun", bytes: 3 * 509 });
    assert.strictEqual(ends(), 1);
    assert.strictEqual(inbox.bytes, 0);
    assert.isUndefined(inbox.take());
    push(inbox, 4);
    assert.isUndefined(inbox.take());
  });

  it("gives control cells apart, and overruns when they pile up", () => {
    const { inbox, ends } = makeInbox();
    inbox.pushControl(CREATED);
    push(inbox, 1);
    assert.strictEqual(inbox.takeControl(), CREATED);
    assert.isUndefined(inbox.takeControl());
    for (let count = 0; count < 3; count++) inbox.pushControl(CREATED);
    assert.strictEqual(inbox.ended()?._tag, "Overrun");
    assert.strictEqual(ends(), 1);
    inbox.pushControl(CREATED);
    assert.isUndefined(inbox.takeControl());
  });

  it("tells its end when all was taken, and only the first", () => {
    const { inbox, ends } = makeInbox();
    push(inbox, 1);
    inbox.pushControl(CREATED);
    inbox.close({ _tag: "Destroyed", reason: 9 });
    inbox.close({ _tag: "ChannelClosed" });
    assert.strictEqual(ends(), 1);
    push(inbox, 2);
    assert.isUndefined(inbox.ended());
    assert.strictEqual(inbox.take()?.count, 1);
    assert.isUndefined(inbox.ended());
    inbox.takeControl();
    assert.deepStrictEqual(inbox.ended(), { _tag: "Destroyed", reason: 9 });
  });

  it("wakes its circuit for each kind of news", () => {
    for (const happen of [
      (inbox: CircuitInbox) => push(inbox, 1),
      (inbox: CircuitInbox) => inbox.pushControl(CREATED),
      (inbox: CircuitInbox) => inbox.close({ _tag: "ChannelClosed" }),
    ]) {
      const { inbox, signal } = makeInbox();
      assert.isFalse(signal.isSet);
      happen(inbox);
      assert.isTrue(signal.isSet);
    }
  });

  it("wakes another reactor once it is told to, and at once", () => {
    const { inbox, signal } = makeInbox();
    const other = Signal.make();
    inbox.wake(other);
    assert.isTrue(other.isSet);
    push(inbox, 1);
    assert.isFalse(signal.isSet);
  });

  it("forgets what waits when its circuit does", () => {
    const { inbox } = makeInbox();
    push(inbox, 1);
    inbox.pushControl(CREATED);
    inbox.clear();
    assert.isUndefined(inbox.take());
    assert.isUndefined(inbox.takeControl());
    assert.strictEqual(inbox.bytes, 0);
  });

  it("counts what passed, for the topology", () => {
    const { inbox } = makeInbox({ maxTrain: 1 });
    push(inbox, 1);
    push(inbox, 2);
    inbox.pushControl(CREATED);
    assert.strictEqual(inbox.name, "inbox 80000001");
    assert.strictEqual(inbox.link, inbox);
    assert.deepInclude(inbox.counters(), { items: 3, writerBlocks: 0 });
  });
});
