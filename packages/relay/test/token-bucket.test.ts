import { assert, describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import { TokenBucket } from "../src/token-bucket.ts";

describe("a token bucket", () => {
  it("is full at first, and fills at its rate up to its burst", () => {
    const rate = { rate: 2, burst: 3_000 };
    const bucket = new TokenBucket(rate, 0);
    assert.isTrue(bucket.take(3_000));
    assert.strictEqual(bucket.tokens, 0);
    bucket.refill(rate, 1);
    assert.strictEqual(bucket.tokens, 2);
    bucket.refill(rate, 500);
    assert.strictEqual(bucket.tokens, 1_000);
    bucket.refill(rate, 10_000);
    assert.strictEqual(bucket.tokens, 3_000);
  });

  it("gives what is asked for, or nothing", () => {
    const bucket = new TokenBucket({ rate: 1, burst: 5 }, 0);
    assert.isFalse(bucket.take(6));
    assert.isTrue(bucket.take(4));
    assert.isTrue(bucket.take());
    assert.isFalse(bucket.take());
    assert.strictEqual(bucket.tokens, 0);
  });

  it("takes another rate, and keeps what fits", () => {
    const bucket = new TokenBucket({ rate: 1, burst: 1_000 }, 0);
    bucket.take(1_000);
    bucket.refill({ rate: 1, burst: 300 }, 500);
    assert.strictEqual(bucket.tokens, 300);
    bucket.take(300);
    bucket.refill({ rate: 1_000, burst: 1_000 }, 500);
    assert.strictEqual(bucket.tokens, 0);
    bucket.refill({ rate: 1_000, burst: 1_000 }, 500.5);
    assert.strictEqual(bucket.tokens, 500);
  });

  it("never gives more than rate and burst allow, whatever is asked when", () => {
    for (let seed = 0; seed < 100; seed++) {
      const random = new Random(seed);
      const rate = { rate: 1 + random.below(100), burst: 1 + random.below(100_000) };
      const bucket = new TokenBucket(rate, 0);
      let now = 0;
      let given = 0;
      for (let step = 0; step < 200; step++) {
        now += random.below(300);
        bucket.refill(rate, now);
        const count = random.below(bucket.tokens + 100);
        if (bucket.take(count)) given += count;
        assert.isAtMost(given, rate.burst + rate.rate * now);
      }
    }
  });
});
