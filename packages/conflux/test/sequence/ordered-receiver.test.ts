import { assert, describe, it } from "@effect/vitest";
import { MAX_CELLS_AHEAD, MAX_LANES, OrderedReceiver, REORDER_BYTES } from "../../src/index.ts";

const A = 0;
const B = 1;
const C = 2;

interface Train {
  readonly name: string;
}

const train = (name: string): Train => ({ name });

const receiverOf = (legs: ReadonlyArray<number>, limitBytes?: number): OrderedReceiver<Train> => {
  const receiver = new OrderedReceiver<Train>(limitBytes === undefined ? {} : { limitBytes });
  for (const leg of legs) assert.isTrue(receiver.sequence.addLeg(leg, 0));
  return receiver;
};

const drain = (receiver: OrderedReceiver<Train>): ReadonlyArray<string> => {
  const names: Array<string> = [];
  for (let next = receiver.next(); next !== undefined; next = receiver.next()) names.push(next.name);
  return names;
};

describe("the order of what comes", () => {
  it("passes on what is in order at once, and holds nothing", () => {
    const receiver = receiverOf([A, B]);
    assert.strictEqual(receiver.receive(A, 10, 5090, train("a"), 0), "deliver");
    assert.isUndefined(receiver.next());
    assert.isUndefined(receiver.sequence.onSwitch(B, 10));
    assert.strictEqual(receiver.receive(B, 21, 9000, train("b"), 1), "deliver");
    assert.deepStrictEqual([receiver.sequence.delivered, receiver.queue.bytes], [31, 0]);
  });

  it("is restored when the second leg is faster: the example of proposal 329, 2.6", () => {
    const receiver = receiverOf([A, B]);
    receiver.sequence.onSwitch(B, 10);
    assert.strictEqual(receiver.receive(B, 21, 9000, train("11 to 31"), 5), "held");
    assert.deepStrictEqual(drain(receiver), []);
    assert.deepStrictEqual([receiver.queue.bytes, receiver.queue.oldest], [9000, 5]);
    assert.strictEqual(receiver.receive(A, 10, 5090, train("1 to 10"), 6), "deliver");
    assert.deepStrictEqual(drain(receiver), ["11 to 31"]);
    assert.deepStrictEqual([receiver.sequence.delivered, receiver.queue.bytes], [31, 0]);
    assert.isUndefined(receiver.queue.oldest);
  });

  it("is restored over three legs that all run ahead", () => {
    const receiver = receiverOf([A, B, C]);
    receiver.sequence.onSwitch(C, 3);
    receiver.receive(C, 1, 1, train("4"), 1);
    receiver.sequence.onSwitch(C, 2);
    receiver.receive(C, 1, 1, train("7"), 2);
    receiver.sequence.onSwitch(B, 2);
    receiver.receive(B, 1, 1, train("3"), 3);
    receiver.sequence.onSwitch(B, 1);
    receiver.receive(B, 2, 1, train("5, 6"), 4);
    assert.deepStrictEqual([receiver.queue.trains, receiver.queue.oldest], [4, 1]);
    assert.strictEqual(receiver.receive(A, 2, 1, train("1, 2"), 5), "deliver");
    assert.deepStrictEqual(drain(receiver), ["3", "4", "5, 6", "7"]);
  });

  it("outlives a leg whose cells still wait for others", () => {
    const receiver = receiverOf([A, B]);
    receiver.sequence.onSwitch(B, 1);
    receiver.receive(B, 1, 1, train("2"), 0);
    receiver.sequence.removeLeg(B);
    assert.strictEqual(receiver.receive(A, 1, 1, train("1"), 0), "deliver");
    assert.deepStrictEqual(drain(receiver), ["2"]);
  });

  it("is kept over tens of thousands of trains that wait at once", () => {
    const receiver = receiverOf([A, B]);
    receiver.sequence.onSwitch(B, 1);
    const count = 30_000;
    for (let index = 0; index < count; index++) receiver.receive(B, 1, 1, train(`${index}`), index);
    receiver.receive(A, 1, 1, train("first"), 0);
    assert.deepStrictEqual(
      drain(receiver),
      Array.from({ length: count }, (_, index) => `${index}`),
    );
    assert.strictEqual(receiver.queue.bytes, 0);
  });

  it("knows the oldest of what waits, however much has gone before it", () => {
    const receiver = receiverOf([A, B]);
    for (let number = 2; number <= 400; number += 2) {
      receiver.sequence.onSwitch(B, 1);
      receiver.receive(B, 1, 1, train(`${number}`), number);
    }
    for (let number = 1; number < 400; number += 2) {
      assert.strictEqual(receiver.queue.oldest, number + 1);
      if (number > 1) receiver.sequence.onSwitch(A, 1);
      assert.strictEqual(receiver.receive(A, 1, 1, train(`${number}`), 0), "deliver");
      assert.deepStrictEqual(drain(receiver), [`${number + 1}`]);
    }
    assert.isUndefined(receiver.queue.oldest);
  });

  it("is full at its bound in bytes, and not before, and as it was", () => {
    const receiver = receiverOf([A, B], 100);
    receiver.sequence.onSwitch(B, 1);
    assert.strictEqual(receiver.receive(B, 1, 60, train("2"), 0), "held");
    assert.strictEqual(receiver.receive(B, 1, 41, train("3"), 0), "full");
    assert.strictEqual(receiver.sequence.last(B), 2);
    assert.strictEqual(receiver.receive(B, 1, 40, train("3"), 0), "held");
    assert.strictEqual(receiver.receive(A, 1, 1000, train("1"), 0), "deliver");
    assert.deepStrictEqual(drain(receiver), ["2", "3"]);
  });

  it("holds 32 MiB by default", () => {
    const receiver = receiverOf([A, B]);
    receiver.sequence.onSwitch(B, 1);
    assert.strictEqual(receiver.receive(B, 1, REORDER_BYTES, train("2"), 0), "held");
    assert.strictEqual(receiver.receive(B, 1, 1, train("3"), 0), "full");
    assert.strictEqual(REORDER_BYTES, 33_554_432);
  });

  it("is full when a leg runs further ahead than windows allow, even with cells that weigh nothing", () => {
    const receiver = receiverOf([A, B]);
    receiver.sequence.onSwitch(B, MAX_CELLS_AHEAD - 1);
    assert.strictEqual(receiver.receive(B, 2, 0, train("beyond"), 0), "full");
    assert.strictEqual(receiver.receive(B, 1, 0, train("at the edge"), 0), "held");
    assert.strictEqual(receiver.receive(B, 1, 0, train("beyond"), 0), "full");
  });

  it("is full when cells of too many ended legs wait", () => {
    const receiver = receiverOf([A]);
    for (let leg = 1; leg <= MAX_LANES; leg++) {
      assert.isTrue(receiver.sequence.addLeg(leg, 0));
      receiver.sequence.onSwitch(leg, leg);
      assert.strictEqual(receiver.receive(leg, 1, 1, train(`${leg + 1}`), 0), "held");
      receiver.sequence.removeLeg(leg);
    }
    const another = MAX_LANES + 1;
    receiver.sequence.addLeg(another, 0);
    receiver.sequence.onSwitch(another, another);
    assert.strictEqual(receiver.receive(another, 1, 1, train("late"), 0), "full");
    receiver.receive(A, 1, 1, train("1"), 0);
    assert.deepStrictEqual(
      drain(receiver),
      Array.from({ length: MAX_LANES }, (_, index) => `${index + 2}`),
    );
    assert.strictEqual(receiver.receive(another, 1, 1, train("next"), 0), "deliver");
    receiver.sequence.onSwitch(another, 1);
    assert.strictEqual(receiver.receive(another, 1, 1, train("later"), 0), "held");
  });

  it("drops a train whose numbers were delivered, and says so", () => {
    const receiver = receiverOf([A, B]);
    receiver.receive(A, 10, 1, train("a"), 0);
    assert.strictEqual(receiver.receive(B, 4, 1, train("again"), 0), "dropped");
    assert.strictEqual(receiver.repeats, 4);
    receiver.sequence.onSwitch(B, 4);
    assert.strictEqual(receiver.receive(B, 5, 1, train("in part"), 0), "dropped");
    assert.deepStrictEqual([receiver.repeats, receiver.sequence.delivered], [6, 10]);
  });

  it("delivers one of two that come under the same number, and says so", () => {
    const receiver = receiverOf([A, B, C]);
    receiver.sequence.onSwitch(B, 1);
    receiver.receive(B, 1, 1, train("b"), 0);
    receiver.sequence.onSwitch(C, 1);
    receiver.receive(C, 2, 1, train("c"), 0);
    receiver.receive(A, 1, 1, train("a"), 0);
    assert.deepStrictEqual(drain(receiver), ["b"]);
    assert.deepStrictEqual([receiver.repeats, receiver.queue.bytes], [1, 0]);
  });

  it("lets go of all that waits when the set ends", () => {
    const receiver = receiverOf([A, B]);
    receiver.sequence.onSwitch(B, 1);
    receiver.receive(B, 1, 10, train("2"), 0);
    receiver.queue.clear();
    assert.deepStrictEqual([receiver.queue.bytes, receiver.queue.trains, receiver.queue.oldest], [0, 0, undefined]);
    assert.isUndefined(receiver.next());
  });
});

describe("the order of what comes, of a set that resumes", () => {
  interface Cells {
    readonly numbers: ReadonlyArray<number>;
  }
  const cells = (first: number, last: number): Cells => ({
    numbers: Array.from({ length: last - first + 1 }, (_, index) => first + index),
  });
  const resuming = (limitBytes = 1000): OrderedReceiver<Cells> => {
    const receiver = new OrderedReceiver<Cells>({
      limitBytes,
      skip: ({ numbers }, count) => ({ numbers: numbers.slice(count) }),
    });
    receiver.sequence.addLeg(A, 0);
    receiver.sequence.addLeg(B, 0);
    return receiver;
  };
  const rest = (receiver: OrderedReceiver<Cells>): ReadonlyArray<number> => {
    const numbers: Array<number> = [];
    for (let next = receiver.next(); next !== undefined; next = receiver.next()) numbers.push(...next.numbers);
    return numbers;
  };

  it("gives what is new of a train that came in part", () => {
    const receiver = resuming();
    receiver.receive(A, 4, 4, cells(1, 4), 0);
    assert.strictEqual(receiver.receive(B, 6, 6, cells(1, 6), 0), "held");
    assert.deepStrictEqual(rest(receiver), [5, 6]);
    assert.deepStrictEqual([receiver.sequence.delivered, receiver.queue.bytes], [6, 0]);
  });

  it("passes over what waited, when what is sent again ends in the middle of it", () => {
    const receiver = resuming();
    receiver.sequence.onSwitch(B, 10);
    receiver.receive(B, 10, 10, cells(11, 20), 0);
    assert.strictEqual(receiver.receive(A, 12, 12, cells(1, 12), 0), "deliver");
    assert.deepStrictEqual(rest(receiver), [13, 14, 15, 16, 17, 18, 19, 20]);
    assert.strictEqual(receiver.receive(A, 8, 8, cells(13, 20), 0), "dropped");
    assert.strictEqual(receiver.receive(A, 1, 1, cells(21, 21), 0), "deliver");
  });

  it("is full when what is left of a train has no place, and as it was", () => {
    const receiver = resuming();
    for (let leg = 2; leg < 2 + MAX_LANES; leg++) {
      receiver.sequence.addLeg(leg, 0);
      receiver.sequence.onSwitch(leg, 100 * leg);
      receiver.receive(leg, 1, 1, cells(100 * leg + 1, 100 * leg + 1), 0);
      receiver.sequence.removeLeg(leg);
    }
    receiver.receive(A, 4, 4, cells(1, 4), 0);
    assert.strictEqual(receiver.receive(B, 6, 6, cells(1, 6), 0), "full");
    assert.deepStrictEqual([receiver.sequence.last(B), receiver.sequence.delivered], [0, 4]);
  });

  it("takes what closes a gap even if the queue is full", () => {
    const receiver = resuming(10);
    receiver.receive(A, 2, 2, cells(1, 2), 0);
    receiver.sequence.onSwitch(A, 2);
    assert.strictEqual(receiver.receive(A, 10, 10, cells(5, 14), 0), "held");
    assert.strictEqual(receiver.receive(B, 4, 4, cells(1, 4), 0), "held");
    assert.deepStrictEqual(rest(receiver), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
  });
});
