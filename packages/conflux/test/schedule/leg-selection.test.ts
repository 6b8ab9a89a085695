import { assert, describe, it } from "@effect/vitest";
import { LegSelection, lowRtt, minRtt, minRttLowMemory, NO_LEG } from "../../src/index.ts";
import { leg } from "../support/leg.ts";

const A = leg({ leg: 0, rttUs: 100 });
const B = leg({ leg: 1, rttUs: 200 });
const full = { room: 0, inflight: 124 };

/** A set that switches once in a window of 124 cells, and is on B, after A. */
const justSwitched = (drainPct = 0): LegSelection => {
  const selection = new LegSelection(minRttLowMemory(100), { drainPct });
  selection.sent(A, 1);
  selection.sent(B, 24);
  assert.deepStrictEqual([selection.current, selection.previous, selection.cellsUntilSwitch], [1, 0, 100]);
  return selection;
};

describe("the leg that is sent on", () => {
  it("is the scheduler's for DATA, however often one asks", () => {
    const selection = new LegSelection(lowRtt, { drainPct: 0 });
    for (let again = 0; again < 3; again++) assert.strictEqual(selection.forData([A, B]), A);
    assert.strictEqual(selection.current, NO_LEG);
    selection.sent(A, 5);
    assert.strictEqual(selection.forData([{ ...A, ...full }, B]), B);
    selection.sent(B, 1);
    assert.deepStrictEqual([selection.current, selection.previous], [1, 0]);
    assert.isUndefined(selection.forData([]));
    assert.isUndefined(selection.forOther([]));
  });

  it("is the current one for other messages, when none has room for DATA", () => {
    const selection = new LegSelection(lowRtt, { drainPct: 0 });
    selection.sent(B, 1);
    const none = [
      { ...A, ...full },
      { ...B, blocked: true },
    ];
    assert.isUndefined(selection.forData(none));
    assert.strictEqual(selection.forOther(none), none[1]);
    assert.strictEqual(selection.forOther([A, B]), A);
  });

  it("is the fastest that is measured, or else the first, when there was none before", () => {
    const selection = new LegSelection(minRtt, { drainPct: 0 });
    const slow = { ...B, ...full };
    assert.strictEqual(selection.forOther([{ ...A, rttUs: 0 }, slow]), slow);
    const unmeasured = [
      { ...A, rttUs: 0 },
      { ...B, rttUs: 0 },
    ];
    assert.isUndefined(selection.forData(unmeasured));
    assert.strictEqual(selection.forOther(unmeasured), unmeasured[0]);
  });

  it("is one that has fallen 2^31 cells behind, if it can send", () => {
    const selection = new LegSelection(minRtt, { drainPct: 0 });
    selection.sent(A, 1);
    assert.strictEqual(selection.forData([A, B], 1), B);
    assert.strictEqual(selection.forData([A, { ...B, ...full }], 1), A);
    assert.strictEqual(selection.forData([A], 1), A);
  });

  it("is kept until a window was sent, where switching is limited, full or not", () => {
    const selection = justSwitched();
    const busy = { ...A, inflight: 31 };
    assert.strictEqual(selection.forData([busy, B]), B);
    assert.isUndefined(selection.forData([busy, { ...B, ...full }]));
    selection.sent(B, 99);
    assert.strictEqual(selection.forData([busy, B]), B);
    selection.sent(B, 1);
    assert.strictEqual(selection.forData([busy, B]), busy);
  });

  // conflux_can_switch: inflight < sendme_inc, or 100 * inflight <= drain_pct * cwnd.
  it.each([
    ["a SENDME's worth in flight", 31, 0, 1],
    ["less than that, which nothing acknowledges", 30, 0, 0],
    ["half of the window, half is enough", 62, 50, 0],
    ["more than half, half is enough", 63, 50, 1],
  ])("may be left early if the one before has drained: %s", (_what, inflight, drainPct, chosen) => {
    const selection = justSwitched(drainPct);
    assert.strictEqual(selection.forData([{ ...A, inflight }, B])?.leg, chosen);
  });

  it("may be left at once when it is the first, and when it has ended", () => {
    const selection = new LegSelection(minRttLowMemory(100), { drainPct: 0 });
    selection.sent(B, 1);
    assert.strictEqual(selection.cellsUntilSwitch, 0);
    assert.strictEqual(selection.forData([A, B]), A);
    const switched = justSwitched();
    switched.removed(1);
    assert.deepStrictEqual([switched.current, switched.previous, switched.cellsUntilSwitch], [NO_LEG, 0, 0]);
    assert.strictEqual(switched.forData([A]), A);
  });

  it("is kept for its time when the one before has ended", () => {
    const selection = justSwitched();
    selection.removed(0);
    assert.strictEqual(selection.previous, NO_LEG);
    assert.strictEqual(selection.forData([{ ...A, leg: 2 }, B]), B);
  });
});
