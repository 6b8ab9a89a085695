import { ConfluxUx } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import {
  type ConfluxScheduler,
  cwndRtt,
  cwndSendable,
  lowRtt,
  minRtt,
  minRttLowMemory,
  NO_LEG,
  schedulerFor,
} from "../../src/index.ts";
import { leg } from "../support/leg.ts";

const nothing = { current: NO_LEG, previous: NO_LEG };

type Facts = readonly [rttUs: number, cwnd: number, inflight: number, state?: "blocked" | "slow start"];

const legs = (...facts: ReadonlyArray<Facts>) =>
  facts.map(([rttUs, cwnd, inflight, state], index) =>
    leg({ leg: index, rttUs, cwnd, inflight, blocked: state === "blocked", inSlowStart: state === "slow start" }),
  );

// What conflux_decide_circ_minrtt, _lowrtt and _cwndrtt of `tor` answer; - is NULL. 124 of 124 in flight is a full window.
const table: ReadonlyArray<
  readonly [what: string, legs: ReadonlyArray<Facts>, min: string, low: string, cwnd: string]
> = [
  [
    "both free: the faster",
    [
      [200, 124, 0],
      [100, 124, 0],
    ],
    "1",
    "1",
    "1",
  ],
  [
    "the same round trip: the first",
    [
      [100, 124, 0],
      [100, 124, 0],
    ],
    "0",
    "0",
    "0",
  ],
  [
    "the faster is full",
    [
      [200, 124, 0],
      [100, 124, 124],
    ],
    "-",
    "0",
    "0",
  ],
  [
    "the faster is overdrawn, as after a shrunk window",
    [
      [200, 124, 0],
      [100, 124, 130],
    ],
    "-",
    "0",
    "0",
  ],
  [
    "the faster's channel is blocked",
    [
      [200, 124, 0],
      [100, 124, 0, "blocked"],
    ],
    "-",
    "0",
    "0",
  ],
  [
    "the slower is full",
    [
      [200, 124, 124],
      [100, 124, 123],
    ],
    "1",
    "1",
    "1",
  ],
  [
    "both full",
    [
      [200, 124, 124],
      [100, 124, 124],
    ],
    "-",
    "-",
    "-",
  ],
  [
    "both blocked",
    [
      [200, 124, 0, "blocked"],
      [100, 124, 0, "blocked"],
    ],
    "-",
    "-",
    "-",
  ],
  [
    "one is not measured: as if it were infinitely slow",
    [
      [0, 124, 0],
      [100, 124, 0],
    ],
    "1",
    "1",
    "1",
  ],
  [
    "one is not measured, the other full",
    [
      [0, 124, 0],
      [100, 124, 124],
    ],
    "-",
    "-",
    "-",
  ],
  [
    "none is measured",
    [
      [0, 124, 0],
      [0, 124, 0],
    ],
    "-",
    "-",
    "-",
  ],
  [
    "the faster is full, the slower has room for 124 * 1/125 of a cell",
    [
      [12_500, 124, 0],
      [100, 124, 124],
    ],
    "-",
    "0",
    "-",
  ],
  [
    "the same, with room for one cell",
    [
      [12_400, 124, 0],
      [100, 124, 124],
    ],
    "-",
    "0",
    "0",
  ],
  [
    "the same, in slow start",
    [
      [12_500, 124, 0, "slow start"],
      [100, 124, 124],
    ],
    "-",
    "0",
    "0",
  ],
  [
    "of two slower ones the faster, by its comment",
    [
      [150, 124, 0],
      [300, 124, 0],
      [100, 124, 124],
    ],
    "-",
    "0",
    "0",
  ],
  ["one leg", [[100, 124, 0]], "0", "0", "0"],
];

describe("schedulers choose as `tor`'s", () => {
  it.each(table)("%s", (_what, facts, min, low, cwnd) => {
    const choice = (scheduler: ConfluxScheduler) => `${scheduler.choose(legs(...facts), nothing)?.leg ?? "-"}`;
    assert.deepStrictEqual([minRtt, lowRtt, cwndRtt].map(choice), [min, low, cwnd]);
    assert.strictEqual(choice(minRttLowMemory(100)), min);
  });

  // cwnd_sendable: room * lowest / round trip, at most the window.
  it.each([
    ["half as fast", { cwnd: 100, inflight: 20, rttUs: 200 }, 100, 40],
    ["rounded down", { cwnd: 100, inflight: 1, rttUs: 200 }, 100, 49],
    ["as fast", { cwnd: 100, inflight: 0, rttUs: 100 }, 100, 100],
    ["faster than the fastest, if the round trip has just changed", { cwnd: 100, inflight: 0, rttUs: 50 }, 100, 100],
    ["overdrawn", { cwnd: 100, inflight: 120, rttUs: 200 }, 100, 0],
    ["in slow start", { cwnd: 100, inflight: 20, rttUs: 200, inSlowStart: true }, 100, 80],
    ["the fastest is not measured", { cwnd: 100, inflight: 20, rttUs: 200 }, 0, 80],
    ["not measured itself", { cwnd: 100, inflight: 20, rttUs: 0 }, 100, 80],
  ])("what a leg may be given besides the fastest: %s", (_what, facts, lowest, cells) => {
    assert.strictEqual(cwndSendable(leg(facts), lowest), cells);
  });

  // conflux_choose_algorithm
  it.each([
    ["NO_OPINION", ConfluxUx.NO_OPINION, "LowRTT"],
    ["MIN_LATENCY", ConfluxUx.MIN_LATENCY, "MinRTT"],
    ["LOW_MEM_LATENCY", ConfluxUx.LOW_MEM_LATENCY, "MinRTT, low memory"],
    ["HIGH_THROUGHPUT", ConfluxUx.HIGH_THROUGHPUT, "LowRTT"],
    ["LOW_MEM_THROUGHPUT", ConfluxUx.LOW_MEM_THROUGHPUT, "MinRTT, low memory"],
    ["one that is not defined", 255, "LowRTT"],
  ])("by the wish of the other end: %s", (_what, ux, name) => {
    assert.strictEqual(schedulerFor(ux, { sendPct: 100 }).name, name);
  });

  it("limits switching only where little memory is wished for, by a share of the window", () => {
    const wide = leg({ cwnd: 201 });
    assert.strictEqual(minRttLowMemory(50).cellsUntilSwitch(wide), 100);
    for (const scheduler of [minRtt, lowRtt, cwndRtt]) assert.strictEqual(scheduler.cellsUntilSwitch(wide), 0);
  });
});
