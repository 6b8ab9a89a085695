import { assert, describe, it } from "@effect/vitest";
import { Micros } from "../../src/congestion/units.ts";
import { DrainRate } from "../../src/flow/drain-rate.ts";
import { badClock, defaults, goodClock } from "./support.ts";

const enough = defaults.xonRateBytes + 1;

describe("DrainRate", () => {
  it("is measured from when something began to wait, over cc_xon_rate cells", () => {
    const drain = new DrainRate(defaults, goodClock);
    drain.onDrained(0, 1, Micros(0));
    drain.onDrained(enough - 1, 1, Micros(1_000_000));
    assert.strictEqual(drain.rate, 0);
    drain.onDrained(1, 1, Micros(2_000_000));
    assert.strictEqual(drain.rate, Math.floor(enough / 2000));
  });

  it("divides the bytes of the measurement before by the time of this one, as tor does", () => {
    const drain = new DrainRate(defaults, goodClock);
    drain.onDrained(0, 1, Micros(0));
    drain.onDrained(1_000_000, 1, Micros(1_000_000));
    assert.strictEqual(drain.rate, 1000);
    drain.onDrained(0, 1, Micros(1_000_000));
    drain.onDrained(500_000, 1, Micros(2_000_000));
    assert.strictEqual(drain.rate, 1000);
    drain.onDrained(0, 1, Micros(2_000_000));
    drain.onDrained(500_000, 1, Micros(3_000_000));
    // N-EWMA with N = 2: (2 * 500 + 1000) / 3
    assert.strictEqual(drain.rate, 666);
  });

  it("is at least one kilobyte per second, as zero would lift the limit, and at most 2^31 - 1", () => {
    const slow = new DrainRate(defaults, goodClock);
    slow.onDrained(0, 1, Micros(0));
    slow.onDrained(enough, 1, Micros(1e12));
    assert.strictEqual(slow.rate, 1);
    const fast = new DrainRate(defaults, goodClock);
    fast.onDrained(0, 1, Micros(0));
    fast.onDrained(1e10, 1, Micros(1));
    assert.strictEqual(fast.rate, 0x7fff_ffff);
  });

  it("is not measured in no time, but a little later", () => {
    const drain = new DrainRate(defaults, goodClock);
    drain.onDrained(0, 1, Micros(5));
    drain.onDrained(enough, 1, Micros(5));
    assert.strictEqual(drain.rate, 0);
    drain.onDrained(0, 1, Micros(1_000_005));
    assert.strictEqual(drain.rate, Math.floor(enough / 1000));
  });

  it("begins anew when the clock was not to be trusted", () => {
    const clock = { ...goodClock };
    const drain = new DrainRate(defaults, clock);
    drain.onDrained(0, 1, Micros(0));
    drain.onDrained(enough - 1, 1, Micros(1000));
    Object.assign(clock, badClock);
    drain.onDrained(5, 1, Micros(2000));
    Object.assign(clock, goodClock);
    drain.onDrained(5, 1, Micros(3000));
    assert.strictEqual(drain.rate, 0);
    drain.onDrained(enough, 1, Micros(1_003_000));
    assert.strictEqual(drain.rate, Math.floor(enough / 1000));
  });

  it("doubles for each cc_xon_rate cells that pass without waiting, once it was advertised", () => {
    const drain = new DrainRate(defaults, goodClock);
    drain.onDrained(0, 1, Micros(0));
    drain.onDrained(1_000_000, 0, Micros(1_000_000));
    drain.onEmpty(true);
    drain.onDrained(enough, 0, Micros(1_000_001));
    drain.onEmpty(true);
    assert.strictEqual(drain.rate, 2000);
    drain.onDrained(enough, 0, Micros(1_000_002));
    drain.onEmpty(false);
    assert.strictEqual(drain.rate, 2000);
  });

  it("leaves out the time in which nothing waits", () => {
    const drain = new DrainRate(defaults, goodClock);
    drain.onDrained(0, 1, Micros(0));
    drain.onDrained(100, 0, Micros(1000));
    drain.onEmpty(false);
    drain.onDrained(0, 1, Micros(100_000_000));
    drain.onDrained(enough, 1, Micros(101_000_000));
    assert.strictEqual(drain.rate, Math.floor(enough / 1000));
  });

  it("divides what passed without waiting by the time of the next measurement, as tor does", () => {
    const drain = new DrainRate(defaults, goodClock);
    drain.onDrained(0, 1, Micros(0));
    drain.onDrained(1_000_000, 0, Micros(1_000_000));
    drain.onEmpty(true);
    drain.onDrained(4_000_000, 0, Micros(1_000_001));
    drain.onEmpty(true);
    drain.onDrained(0, 1, Micros(2_000_000));
    drain.onDrained(enough, 1, Micros(3_000_000));
    // N-EWMA with N = 2: (2 * 4000 + 2 * 1000) / 3
    assert.strictEqual(drain.rate, 3333);
  });
});
