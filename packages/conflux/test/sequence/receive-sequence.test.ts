import { assert, describe, it } from "@effect/vitest";
import { MAX_CELLS_AHEAD, MAX_IDLE_SWITCHES, MAX_LEGS, ReceiveSequence } from "../../src/index.ts";

const A = 0;
const B = 1;

const sequenceOf = (...legs: ReadonlyArray<number>): ReceiveSequence => {
  const sequence = new ReceiveSequence();
  for (const leg of legs) assert.isTrue(sequence.addLeg(leg, 0));
  return sequence;
};

describe("numbers of what comes", () => {
  it("are those of the table in the source", () => {
    const sequence = sequenceOf(A, B);
    assert.strictEqual(sequence.onCells(A, 10), 1);
    sequence.delivered = 10;
    assert.isUndefined(sequence.onSwitch(A, 21));
    assert.strictEqual(sequence.onCells(A, 6), 32);
    assert.isUndefined(sequence.onSwitch(B, 10));
    assert.strictEqual(sequence.onCells(B, 21), 11);
    sequence.delivered = 37;
    assert.isUndefined(sequence.onSwitch(B, 6));
    assert.strictEqual(sequence.onCells(B, 1), 38);
    assert.deepStrictEqual([sequence.last(A), sequence.last(B)], [37, 38]);
  });

  it("bear a SWITCH of zero as the first thing on a leg, as `tor` may send one, and no other", () => {
    const sequence = sequenceOf(A, B);
    assert.isUndefined(sequence.onSwitch(B, 0));
    assert.strictEqual(sequence.onSwitch(B, 0), "switch-zero");
    sequence.onCells(A, 1);
    assert.strictEqual(sequence.onSwitch(A, 0), "switch-zero");
  });

  it("bear no SWITCH that skips on the only leg: nobody could bring what it skips", () => {
    const sequence = sequenceOf(A);
    assert.strictEqual(sequence.onSwitch(A, 1), "switch-alone");
    assert.isUndefined(sequence.onSwitch(A, 0));
    const resumed = new ReceiveSequence(0, true);
    resumed.addLeg(A, 0);
    assert.isUndefined(resumed.onSwitch(A, 1));
  });

  it("bear a few SWITCHes with no cell between, on whichever legs, and no flood of them", () => {
    const sequence = sequenceOf(A, B);
    for (let round = 0; round < 3; round++) {
      for (let idle = 0; idle < MAX_IDLE_SWITCHES; idle++) assert.isUndefined(sequence.onSwitch(idle % 2, 1));
      sequence.onCells(A, 1);
    }
    for (let idle = 0; idle < MAX_IDLE_SWITCHES; idle++) sequence.onSwitch(A, 1);
    assert.strictEqual(sequence.onSwitch(B, 1), "switch-flood");
  });

  it("bear no SWITCH to beyond what windows allow, from whatever number", () => {
    const sequence = sequenceOf(A, B);
    assert.isUndefined(sequence.onSwitch(A, MAX_CELLS_AHEAD));
    assert.strictEqual(sequence.onSwitch(B, MAX_CELLS_AHEAD + 1), "switch-too-far");
    assert.strictEqual(sequence.onSwitch(A, 1), "switch-too-far");
    assert.strictEqual(sequence.last(A), MAX_CELLS_AHEAD);
    assert.strictEqual(sequence.onSwitch(B, 0xffff_ffff), "switch-too-far");
  });

  it("let an idle leg come back after 2^31 cells on another, and after 2^32", () => {
    for (const behind of [2 ** 31, 2 ** 32 - 1]) {
      const sequence = sequenceOf(A, B);
      sequence.delivered = behind;
      assert.isUndefined(sequence.onSwitch(B, behind));
      assert.strictEqual(sequence.onCells(B, 1), behind + 1);
    }
  });

  it("go back where that was agreed on, to what a leg has reached, and its cells wait apart from then on", () => {
    const sequence = new ReceiveSequence(0, true);
    sequence.addLeg(A, 0);
    sequence.addLeg(B, 0);
    sequence.onCells(A, 10);
    const lane = sequence.lane(A);
    assert.isUndefined(sequence.onRewind(A, 3n));
    assert.strictEqual(sequence.onCells(A, 2), 4);
    assert.notInclude([lane, sequence.lane(B)], sequence.lane(A));
    for (const number of [5n, 6n, 2n ** 64n - 1n])
      assert.strictEqual(sequence.onRewind(A, number), "rewind-forward", `${number}`);
    assert.strictEqual(sequence.last(A), 5);
    assert.strictEqual(sequenceOf(A, B).onRewind(A, 0n), "rewind-unasked");
  });

  it("bear no flood of REWINDs", () => {
    const sequence = new ReceiveSequence(0, true);
    sequence.addLeg(A, 100);
    for (let idle = 1; idle <= MAX_IDLE_SWITCHES; idle++) assert.isUndefined(sequence.onRewind(A, BigInt(100 - idle)));
    assert.strictEqual(sequence.onRewind(A, 1n), "switch-flood");
  });

  it("say when no leg brings the next cell any more: all are beyond it", () => {
    const sequence = sequenceOf(A, B);
    assert.isFalse(sequence.hasPassed);
    assert.isUndefined(sequence.onSwitch(A, 3));
    assert.isFalse(sequence.hasPassed);
    sequence.removeLeg(B);
    assert.isTrue(sequence.hasPassed);
    sequence.delivered = 3;
    assert.isFalse(sequence.hasPassed);
  });

  it("refuse a fifth leg, one that is there, and say when one is not", () => {
    const sequence = sequenceOf(0, 1, 2, 3);
    assert.strictEqual(MAX_LEGS, 4);
    assert.isFalse(sequence.addLeg(4, 0));
    assert.throws(() => sequence.addLeg(3, 0), RangeError);
    sequence.removeLeg(3);
    sequence.removeLeg(3);
    assert.isTrue(sequence.addLeg(4, 7));
    assert.strictEqual(sequence.last(4), 7);
    assert.throws(() => sequence.onSwitch(3, 1), RangeError);
  });
});
