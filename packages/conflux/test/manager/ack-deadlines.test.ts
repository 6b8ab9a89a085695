import { Micros } from "@allium/circuit";
import { assert, describe, it } from "@effect/vitest";
import { AckDeadlines } from "../../src/manager/ack-deadlines.ts";
import type { Leg } from "../../src/set/leg.ts";

/** What is looked at of a leg: until when its LINKED_ACK may come. */
const newLeg = (deadlineUs: number | undefined, hasEnded = false): Leg => {
  const leg = {
    hasEnded,
    machine: { deadlineUs: deadlineUs === undefined ? undefined : Micros(deadlineUs) },
    onSettled: undefined as (() => void) | undefined,
  };
  return leg as unknown as Leg;
};

describe("legs that wait for LINKED_ACK", () => {
  it("are late in their order, each once", () => {
    const deadlines = new AckDeadlines();
    const [first, second] = [newLeg(10), newLeg(20)];
    deadlines.add(first);
    deadlines.add(second);
    assert.strictEqual(deadlines.next, 10);
    assert.deepStrictEqual(deadlines.takeLate(Micros(9)), []);
    assert.deepStrictEqual(deadlines.takeLate(Micros(10)), [first]);
    assert.strictEqual(deadlines.next, 20);
    assert.deepStrictEqual(deadlines.takeLate(Micros(100)), [second]);
    assert.strictEqual(deadlines.size, 0);
    assert.isUndefined(deadlines.next);
  });

  it("are forgotten when it has come, or they have ended", () => {
    const deadlines = new AckDeadlines();
    const leg = newLeg(10);
    deadlines.add(leg);
    leg.onSettled?.();
    assert.strictEqual(deadlines.size, 0);
  });

  it("are none of those that have ended before they were linked, or do not wait", () => {
    const deadlines = new AckDeadlines();
    deadlines.add(newLeg(10, true));
    deadlines.add(newLeg(undefined));
    assert.strictEqual(deadlines.size, 0);
  });
});
