import { assert, describe, it } from "@effect/vitest";
import type { Scheduler } from "effect";
import { RunQueue, WAKES_PER_TURN } from "../src/run-queue.ts";

/** A scheduler whose turns are taken by hand. */
const byHand = () => {
  const turns: Array<() => void> = [];
  const scheduler: Scheduler.Scheduler = {
    executionMode: "async",
    shouldYield: () => false,
    makeDispatcher: () => ({ scheduleTask: (task) => void turns.push(task), flush: () => {} }),
  };
  return { scheduler, turns, turn: () => turns.shift()?.() };
};

describe("RunQueue", () => {
  it("asks for one turn however many are woken, and keeps their order", () => {
    const { scheduler, turns, turn } = byHand();
    const queue = new RunQueue(scheduler);
    const ran: Array<number> = [];
    for (const n of [1, 2, 3]) queue.push({ runWake: () => void ran.push(n) });
    assert.strictEqual(turns.length, 1);
    turn();
    assert.deepStrictEqual(ran, [1, 2, 3]);
    assert.strictEqual(turns.length, 0);
  });

  it("runs what a wake wakes in the same turn", () => {
    const { scheduler, turns, turn } = byHand();
    const queue = new RunQueue(scheduler);
    let hops = 0;
    const hop = { runWake: () => void (++hops < 5 && queue.push(hop)) };
    queue.push(hop);
    turn();
    assert.strictEqual(hops, 5);
    assert.strictEqual(turns.length, 0);
  });

  it("lets the event loop in after its budget, and goes on in the next turn", () => {
    const { scheduler, turns, turn } = byHand();
    const queue = new RunQueue(scheduler);
    let ran = 0;
    const endless = {
      runWake: () => {
        ran++;
        queue.push(endless);
      },
    };
    queue.push(endless);
    turn();
    assert.strictEqual(ran, WAKES_PER_TURN);
    assert.strictEqual(turns.length, 1);
    turn();
    assert.strictEqual(ran, 2 * WAKES_PER_TURN);
  });

  it("runs the others, too, when one throws", () => {
    const { scheduler, turn } = byHand();
    const queue = new RunQueue(scheduler);
    const ran: Array<number> = [];
    queue.push({
      runWake: () => {
        throw new Error("observer");
      },
    });
    queue.push({ runWake: () => void ran.push(1) });
    assert.throws(turn, "observer");
    turn();
    queue.push({ runWake: () => void ran.push(2) });
    turn();
    assert.deepStrictEqual(ran, [1, 2]);
  });
});
