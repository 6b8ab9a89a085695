import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random } from "../../../../test/support/fuzz.ts";
import { Micros } from "../../src/congestion/units.ts";
import { RateLimit } from "../../src/flow/rate-limit.ts";
import { BytesPerSecond } from "../../src/flow/units.ts";

describe("RateLimit", () => {
  it("has no limit until one is set, and none again when that is lifted", () => {
    const limit = new RateLimit();
    limit.take(1e12, Micros(0));
    assert.strictEqual(limit.available(Micros(0)), Number.POSITIVE_INFINITY);
    assert.strictEqual(limit.availableAt(1e12, Micros(3)), 3);
    limit.set(BytesPerSecond(1000), Micros(0));
    limit.take(5000, Micros(0));
    limit.set(BytesPerSecond(Number.POSITIVE_INFINITY), Micros(1));
    assert.strictEqual(limit.available(Micros(1)), Number.POSITIVE_INFINITY);
  });

  it("lets a second's worth through at once, and then the rate", () => {
    const limit = new RateLimit();
    limit.set(BytesPerSecond(100_000), Micros(7));
    assert.strictEqual(limit.available(Micros(7)), 100_000);
    limit.take(100_000, Micros(7));
    assert.strictEqual(limit.available(Micros(7)), 0);
    assert.strictEqual(limit.available(Micros(10_007)), 1000);
    assert.strictEqual(limit.available(Micros(90_000_000)), 100_000);
  });

  it("keeps what is left of the burst when the rate changes, as far as the new burst goes", () => {
    const limit = new RateLimit();
    limit.set(BytesPerSecond(100_000), Micros(0));
    limit.take(90_000, Micros(0));
    limit.set(BytesPerSecond(200_000), Micros(0));
    assert.strictEqual(limit.available(Micros(0)), 10_000);
    limit.set(BytesPerSecond(1000), Micros(0));
    assert.strictEqual(limit.available(Micros(0)), 1000);
  });

  it("says when enough may pass, and that more than the burst never may", () => {
    const limit = new RateLimit();
    limit.set(BytesPerSecond(1000), Micros(0));
    limit.take(1000, Micros(0));
    assert.strictEqual(limit.availableAt(498, Micros(0)), 498_000);
    assert.isUndefined(limit.availableAt(1001, Micros(0)));
    limit.take(500, Micros(0));
    assert.strictEqual(limit.available(Micros(0)), -500);
    assert.strictEqual(limit.availableAt(1, Micros(0)), 501_000);
  });

  it.prop("keeps the rate over any time, and its own word about when", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const rate = random.pick([1000, 1_000_003, 2_147_483_000, 1000 * (1 + random.below(100_000))]);
    const limit = new RateLimit();
    let now = random.below(1_000_000);
    const start = now;
    let passed = 0;
    limit.set(BytesPerSecond(rate), Micros(now));
    for (let step = 0; step < 200; step++) {
      const at = limit.availableAt(498, Micros(now)) ?? assert.fail("498 bytes fit into every burst");
      if (at > now && random.oneIn(2)) {
        assert.isBelow(limit.available(Micros(at - 1)), 498);
        now = at - 1;
      }
      now = Math.max(now, at);
      assert.isAtLeast(limit.available(Micros(now)), 498);
      limit.take(498, Micros(now));
      passed += 498;
      assert.isAtMost(passed, rate + ((now - start) * rate) / 1_000_000);
      now += random.pick([0, 0, 1, random.below(10_000)]);
    }
  });
});
