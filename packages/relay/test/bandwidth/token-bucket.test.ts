import { assert, describe, it } from "@effect/vitest";
import { Random } from "../../../../test/support/fuzz.ts";
import { TokenBucket } from "../../src/index.ts";

describe("a token bucket", () => {
  it("is full at first, and fills at its rate up to its burst", () => {
    const bucket = new TokenBucket({ rate: 1_000, burst: 3_000 }, 0);
    assert.strictEqual(bucket.available(0), 3_000);
    bucket.take(3_000);
    assert.strictEqual(bucket.available(0), 0);
    assert.strictEqual(bucket.available(1), 1);
    assert.strictEqual(bucket.available(500), 500);
    assert.strictEqual(bucket.available(10_000), 3_000);
  });

  it("takes other limits, and keeps what fits", () => {
    const bucket = new TokenBucket({ rate: 1_000, burst: 1_000 }, 0);
    bucket.take(1_000);
    bucket.setLimits({ rate: 10, burst: 300 }, 500);
    assert.strictEqual(bucket.available(500), 300);
    bucket.take(300);
    assert.strictEqual(bucket.available(1_500), 10);
    bucket.setLimits({ rate: 1_000, burst: 1_000 }, 1_500);
    assert.strictEqual(bucket.available(1_600), 110);
  });

  it("never lets more pass than rate and burst allow, whatever is asked when", () => {
    for (let seed = 0; seed < 100; seed++) {
      const random = new Random(seed);
      const limits = { rate: 1 + random.below(100_000), burst: 1 + random.below(100_000) };
      const bucket = new TokenBucket(limits, 0);
      let now = 0;
      let passed = 0;
      for (let step = 0; step < 200; step++) {
        now += random.below(300);
        const bytes = random.below(bucket.available(now) + 1);
        bucket.take(bytes);
        passed += bytes;
        assert.isAtMost(passed, limits.burst + (limits.rate * now) / 1_000);
      }
    }
  });
});
