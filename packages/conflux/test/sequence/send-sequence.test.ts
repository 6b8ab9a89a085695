import { assert, describe, it } from "@effect/vitest";
import { FORCED_SWITCH_CELLS, MAX_LEGS, MAX_RELATIVE_SEQNO, NO_LEG, SendSequence } from "../../src/index.ts";

const A = 0;
const B = 1;
const C = 2;

const sequenceOf = (...legs: ReadonlyArray<number>): SendSequence => {
  const sequence = new SendSequence();
  for (const leg of legs) assert.isTrue(sequence.addLeg(leg, 0));
  return sequence;
};

/** `leg`, cells, and what is to be seen: the SWITCH, and the last numbers of A and B. */
type Step = readonly [leg: number, cells: number, relative: number, lastOfA: number, lastOfB: number];

const run = (sequence: SendSequence, steps: ReadonlyArray<Step>): void => {
  for (const [index, [leg, cells, relative, a, b]] of steps.entries()) {
    const found = [sequence.send(leg, cells), sequence.last(A), sequence.last(B)];
    assert.deepStrictEqual(found, [relative, a, b], `step ${index}`);
  }
};

describe("numbers of what is sent", () => {
  it("are those of the example in proposal 329, 2.6, and of the table in the source", () => {
    run(sequenceOf(A, B), [
      [A, 10, 0, 10, 0],
      [B, 21, 10, 10, 31],
      [A, 5, 21, 36, 31],
      [A, 1, 0, 37, 31],
      [B, 1, 6, 37, 38],
    ]);
  });

  it("are those of `tor` when each cell takes the other leg", () => {
    // last_seq_sent by conflux_decide_circ_for_send and conflux_note_cell_sent: 1 is skipped each time, once the first is past.
    run(sequenceOf(A, B), [
      [A, 1, 0, 1, 0],
      [B, 1, 1, 1, 2],
      [A, 1, 1, 3, 2],
      [B, 1, 1, 3, 4],
      [A, 1, 1, 5, 4],
    ]);
  });

  it("need no SWITCH on a leg that begins where the set is, which would say zero", () => {
    const sequence = sequenceOf(A, B);
    assert.strictEqual(sequence.send(B, 3), 0);
    assert.isTrue(sequence.addLeg(C, 3));
    assert.strictEqual(sequence.send(C, 1), 0);
    assert.strictEqual(sequence.sent, 4);
  });

  it("skip on a third leg what all others have sent", () => {
    const sequence = sequenceOf(A, B, C);
    sequence.send(A, 10);
    sequence.send(B, 5);
    assert.strictEqual(sequence.send(C, 1), 15);
    assert.strictEqual(sequence.send(A, 1), 6);
  });

  it("go on where they were when a leg ends, and with legs that start behind", () => {
    const sequence = sequenceOf(A, B);
    sequence.send(A, 10);
    sequence.send(B, 2);
    sequence.removeLeg(A);
    sequence.removeLeg(A);
    assert.isTrue(sequence.addLeg(C, 7));
    assert.strictEqual(sequence.send(C, 1), 5);
    assert.strictEqual(sequence.last(C), 13);
    assert.throws(() => sequence.last(A), RangeError);
  });

  it("refuse a fifth leg, one that is there, and one from the future", () => {
    const sequence = sequenceOf(A, B, C, 3);
    assert.strictEqual(MAX_LEGS, 4);
    assert.isFalse(sequence.addLeg(4, 0));
    assert.throws(() => sequence.addLeg(A, 0), RangeError);
    assert.throws(() => sequence.addLeg(5, 1), RangeError);
    sequence.removeLeg(B);
    assert.isTrue(sequence.addLeg(4, 0));
  });

  it("have a leg used that is 2^31 cells behind, the furthest first", () => {
    const sequence = sequenceOf(A, B, C);
    sequence.send(B, 1);
    sequence.send(A, FORCED_SWITCH_CELLS - 2);
    assert.strictEqual(sequence.due(), NO_LEG);
    sequence.send(A, 1);
    assert.strictEqual(sequence.due(), C);
    assert.strictEqual(sequence.send(C, 1), FORCED_SWITCH_CELLS);
    assert.strictEqual(sequence.due(), B);
    assert.strictEqual(sequence.send(B, 1), FORCED_SWITCH_CELLS);
    assert.strictEqual(sequence.due(), NO_LEG);
  });

  it("have the first of two legs used that are as far behind", () => {
    const sequence = sequenceOf(A, B, C);
    sequence.send(A, FORCED_SWITCH_CELLS);
    assert.strictEqual(sequence.due(), B);
  });

  it("give a leg up that is further behind than a SWITCH can say", () => {
    const sequence = sequenceOf(A, B);
    sequence.send(A, MAX_RELATIVE_SEQNO);
    assert.isTrue(sequence.reachable(B));
    assert.strictEqual(sequence.due(), B);
    sequence.send(A, 1);
    assert.isFalse(sequence.reachable(B));
    assert.isTrue(sequence.reachable(A));
    assert.strictEqual(sequence.due(), NO_LEG);
    assert.throws(() => sequence.send(B, 1), RangeError);
    assert.strictEqual(MAX_RELATIVE_SEQNO, 0xffff_ffff - 1);
  });

  it("do not move when cells are sent again, and a leg that is beyond them goes back", () => {
    const sequence = sequenceOf(A, B);
    sequence.send(A, 10);
    sequence.removeLeg(A);
    assert.isTrue(sequence.addLeg(C, 4));
    assert.strictEqual(sequence.sendAgain(C, 7, 2), 2);
    assert.strictEqual(sequence.sendAgain(C, 5, 3), -4);
    assert.strictEqual(sequence.last(C), 7);
    assert.strictEqual(sequence.sendAgain(C, 8, 3), 0);
    assert.strictEqual(sequence.sent, 10);
    assert.strictEqual(sequence.sendAgain(C, 9, 2), -2);
    assert.strictEqual(sequence.send(C, 1), 0);
    assert.strictEqual(sequence.send(B, 1), 11);
    assert.throws(() => sequence.sendAgain(B, 12, 2), RangeError);
  });

  it("cannot be said again on a leg that is too far behind", () => {
    const sequence = sequenceOf(A, B);
    sequence.send(A, 2 ** 33);
    assert.throws(() => sequence.sendAgain(B, 2 ** 33, 1), RangeError);
    assert.strictEqual(sequence.last(B), 0);
  });
});
