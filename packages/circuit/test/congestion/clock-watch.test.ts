import { assert, describe, it } from "@effect/vitest";
import { ClockWatch } from "../../src/congestion/clock-watch.ts";

describe("ClockWatch", () => {
  // Test vectors of `tor` 0.4.8, src/test/test_congestion_control.c: old_delta_in, new_delta_in, in_slow_start_in,
  // cached_result_out, result_out.
  it("test_congestion_control_clock", () => {
    const vect1 = [
      [0, 1, 1, 0, 0], // old delta 0, slow start -> false
      [0, 0, 1, 1, 1], // New delta 0 -> cache true, return true
      [1, 1, 1, 1, 0], // In slow start -> keep cache, but return false
      [1, 4999, 0, 0, 0], // Not slow start, edge -> update cache, and false
      [4999, 1, 0, 0, 0], // Not slow start, other edge -> false
      [5001, 1, 0, 0, 0], // Not slow start w/ -5000x -> use cache (false)
      [5001, 0, 0, 1, 1], // New delta 0 -> cache true, return true
      [5001, 1, 0, 1, 1], // Not slow start w/ -5000x -> use cache (true)
      [5001, 1, 1, 1, 0], // In slow start w/ -5000x -> false
      [0, 5001, 0, 1, 0], // Not slow start w/ no EWMA -> false
      [1, 5001, 1, 1, 0], // In slow start w/ +5000x -> false
      [1, 1, 0, 0, 0], // Not slow start -> update cache to false
      [5001, 1, 0, 0, 0], // Not slow start w/ -5000x -> use cache (false)
      [1, 5001, 0, 0, 1], // Not slow start w/ +5000x -> true
      [0, 5001, 0, 0, 0], // Not slow start w/ no EWMA -> false
      [5001, 1, 1, 0, 0], // In slow start w/ -5000x change -> false
      [1, 1, 0, 0, 0], // Not slow start -> false
    ] as const;
    const clock = new ClockWatch();
    for (const [index, [old, measured, inSlowStart, stalled, ignored]] of vect1.entries()) {
      const canCompare = inSlowStart === 0 && old !== 0;
      assert.strictEqual(clock.isStalledOrJumped(old, measured, canCompare), ignored === 1, `result of step ${index}`);
      assert.strictEqual(clock.clockReliable, stalled === 0, `cache after step ${index}`);
    }
  });

  it("takes a clock that runs backwards for one that stands still", () => {
    const clock = new ClockWatch();
    assert.isTrue(clock.isStalledOrJumped(100, -5, true));
    assert.isFalse(clock.clockReliable);
  });
});
