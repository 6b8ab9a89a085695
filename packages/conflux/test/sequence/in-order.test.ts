import { assert, describe, it } from "@effect/vitest";
import * as Schema from "effect/Schema";
import { Random } from "../../../../test/support/fuzz.ts";
import { OrderedReceiver, SendSequence } from "../../src/index.ts";

interface Train {
  readonly first: number;
  readonly cells: number;
}

/** A leg on its way, in order: a SWITCH is a number, a train is itself. */
type Wire = Array<number | Train>;

/** Sends `trains` trains over `legs` legs, by chance, and delivers them as chance has it. Calls `look` after each that comes. */
const run = (
  seed: number,
  legs: number,
  trains: number,
  look: (out: ReadonlyArray<number>, receiver: OrderedReceiver<Train>, wires: ReadonlyArray<Wire>) => void,
): { readonly sent: number; readonly out: ReadonlyArray<number> } => {
  const random = new Random(seed);
  const sender = new SendSequence();
  const receiver = new OrderedReceiver<Train>();
  const wires: Array<Wire> = [];
  for (let leg = 0; leg < legs; leg++) {
    sender.addLeg(leg, 0);
    receiver.sequence.addLeg(leg, 0);
    wires.push([]);
  }
  const out: Array<number> = [];
  const take = ({ first, cells }: Train): void => {
    for (let cell = 0; cell < cells; cell++) out.push(first + cell);
  };
  let left = trains;
  while (left > 0 || wires.some((wire) => wire.length > 0)) {
    const leg = random.below(legs);
    const wire = wires[leg] as Wire;
    if (left > 0 && random.oneIn(2)) {
      left--;
      const train = { first: sender.sent + 1, cells: 1 + random.below(32) };
      const relative = sender.send(leg, train.cells);
      if (relative > 0) wire.push(relative);
      wire.push(train);
      continue;
    }
    const item = wire.shift();
    if (item === undefined) continue;
    if (typeof item === "number") assert.isUndefined(receiver.sequence.onSwitch(leg, item));
    else if (receiver.receive(leg, item.cells, item.cells * 509, item, out.length) === "deliver") take(item);
    for (let next = receiver.next(); next !== undefined; next = receiver.next()) take(next);
    look(out, receiver, wires);
  }
  return { sent: sender.sent, out };
};

describe("a set whose legs are chosen by chance, and are as fast as chance has it", () => {
  const inputs = {
    seed: Schema.Int,
    legs: Schema.Literals([1, 2, 3, 4]),
    trains: Schema.Literals([1, 10, 200]),
  };

  it.prop("gives every cell once, in the order of sending", inputs, ({ seed, legs, trains }) => {
    const { sent, out } = run(seed, legs, trains, () => {});
    assert.deepStrictEqual(
      out,
      Array.from({ length: sent }, (_, index) => index + 1),
    );
  });

  it.prop("has delivered at any time whatever could be, and holds the rest", inputs, ({ seed, legs, trains }) => {
    run(seed, legs, trains, (out, receiver, wires) => {
      // What is still on its way, by the slowest means there is.
      const coming = wires.flat().filter((item) => typeof item !== "number");
      const lowest = Math.min(...coming.map(({ first }) => first), Number.POSITIVE_INFINITY);
      assert.isBelow(receiver.sequence.delivered, lowest);
      if (coming.length > 0 && receiver.queue.trains > 0) assert.strictEqual(out.length, lowest - 1);
      assert.strictEqual(receiver.queue.trains === 0, receiver.queue.bytes === 0);
      assert.strictEqual(receiver.repeats, 0);
    });
  });
});
