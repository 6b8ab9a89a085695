import { assert, describe, it } from "@effect/vitest";
import { nEwma, percentMaxMix } from "../../src/congestion/ewma.ts";
import { RttEstimator } from "../../src/congestion/rtt.ts";
import { Micros } from "../../src/congestion/units.ts";
import { defaults } from "./support.ts";

const steady = { inSlowStart: false, acksPerUpdate: 4, atMinimum: false };
const slowStart = { inSlowStart: true, acksPerUpdate: 1, atMinimum: false };

describe("RttEstimator", () => {
  // Test vectors of `tor` 0.4.8, src/test/test_congestion_control.c: sent_usec_in, got_sendme_usec_in, cwnd_in, ss_in,
  // curr_rtt_usec_out, ewma_rtt_usec_out, min_rtt_usec_out.
  it("test_congestion_control_rtt", () => {
    const vect1 = [
      [100000, 200000, 124, 1, 100000, 100000, 100000],
      [200000, 300000, 124, 1, 100000, 100000, 100000],
      [350000, 500000, 124, 1, 150000, 133333, 100000],
      [500000, 550000, 124, 1, 50000, 77777, 77777],
      [600000, 700000, 124, 1, 100000, 92592, 77777],
      [700000, 750000, 124, 1, 50000, 64197, 64197],
      [750000, 875000, 124, 0, 125000, 104732, 104732],
      [875000, 900000, 124, 0, 25000, 51577, 104732],
      [900000, 950000, 200, 0, 50000, 50525, 50525],
    ] as const;
    const { vegas } = defaults();
    const rtt = new RttEstimator(vegas);
    for (const [index, [sent, received, cwnd, inSlowStart, , smoothed, min]] of vect1.entries()) {
      const phase = { inSlowStart: inSlowStart === 1, acksPerUpdate: 0, atMinimum: cwnd === vegas.cwndMin };
      assert.isTrue(rtt.update(Micros(sent), Micros(received), phase));
      assert.strictEqual(rtt.smoothedUs, smoothed, `ewma_rtt_usec after step ${index}`);
      assert.strictEqual(rtt.minUs, min, `min_rtt_usec after step ${index}`);
    }
  });

  it("learns nothing from a clock that stands still, and from a jump ahead after slow start", () => {
    const rtt = new RttEstimator(defaults().vegas);
    assert.isFalse(rtt.update(Micros(7), Micros(7), slowStart));
    assert.strictEqual(rtt.smoothedUs, 0);
    assert.isFalse(rtt.clockReliable);
    assert.isTrue(rtt.update(Micros(0), Micros(1000), slowStart));
    assert.isTrue(rtt.update(Micros(0), Micros(1000), steady));
    assert.isTrue(rtt.clockReliable);
    assert.isFalse(rtt.update(Micros(0), Micros(5_000_001), steady));
    assert.strictEqual(rtt.smoothedUs, 1000);
    assert.isTrue(rtt.clockReliable);
  });

  it("smooths over more round trips the more SENDMEs a window has, up to cc_ewma_max", () => {
    const after = (acksPerUpdate: number): number => {
      const rtt = new RttEstimator(defaults().vegas);
      rtt.update(Micros(0), Micros(1000), steady);
      rtt.update(Micros(0), Micros(2000), { ...steady, acksPerUpdate });
      return rtt.smoothedUs;
    };
    assert.strictEqual(after(4), nEwma(2000, 1000, 2));
    assert.strictEqual(after(12), nEwma(2000, 1000, 6));
    assert.strictEqual(after(1000), nEwma(2000, 1000, 10));
  });

  it("forgets by cc_rtt_reset_pct how fast the circuit once was, when the window is at its minimum", () => {
    const after = (rttResetPct: number): number => {
      const rtt = new RttEstimator({ ...defaults().vegas, rttResetPct });
      rtt.update(Micros(0), Micros(1000), steady);
      rtt.update(Micros(0), Micros(2500), { ...steady, atMinimum: true });
      return rtt.minUs;
    };
    assert.strictEqual(after(100), 2000);
    assert.strictEqual(after(50), 1500);
    assert.strictEqual(after(0), 1000);
  });
});

describe("averages", () => {
  it("round as proposal 324 says: once, after the division", () => {
    assert.strictEqual(nEwma(150000, 100000, 2), 133333);
    assert.strictEqual(nEwma(5, 0, 10), 5);
    assert.strictEqual(percentMaxMix(3, 10, 0), 3);
    assert.strictEqual(percentMaxMix(3, 10, 100), 10);
    assert.strictEqual(percentMaxMix(10, 3, 50), 6);
  });
});
