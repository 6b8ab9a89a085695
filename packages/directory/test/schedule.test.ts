import { type Consensus, Lifetime } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Backoff, type Draw, nextCacheFetch, nextClientFetch } from "../src/download/schedule.ts";

const minute = 60_000;
const hour = 60 * minute;
const at = (validAfter: number, freshUntil: number, validUntil: number) =>
  ({ lifetime: new Lifetime(validAfter, freshUntil, validUntil) }) as Consensus;

/** The earliest and the latest that chance can make of it. */
const range = (consensus: Consensus): readonly [number, number] => [
  nextCacheFetch(consensus, () => 0),
  nextCacheFetch(consensus, (limit) => limit - 1) + 1,
];

describe("nextCacheFetch", () => {
  it("falls into the first half-interval after a consensus is fresh, two minutes later as clocks may differ", () => {
    // The example of dir-spec 4.1: valid at 1:00, fresh until 2:00; fetched between 2:00 and 2:30.
    assert.deepStrictEqual(range(at(hour, 2 * hour, 4 * hour)), [2 * hour + 2 * minute, 2 * hour + 32 * minute]);
  });

  it("falls into the same half of a round of twenty seconds", () => {
    assert.deepStrictEqual(range(at(0, 20_000, 60_000)), [21_250, 31_250]);
  });

  it("does not wait for a consensus to end", () => {
    assert.deepStrictEqual(range(at(0, 20_000, 30_500)), [20_000, 29_500]);
  });

  const seconds = Schema.Int.check(Schema.isBetween({ minimum: 10, maximum: 1_000_000_000 }));
  it.prop(
    "falls between the end of freshness and the end of the consensus, and no more than a day and two minutes late",
    {
      fresh: seconds,
      valid: seconds,
      chance: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff })),
    },
    ({ fresh, valid, chance }) => {
      const [freshUntil, validUntil] = [fresh * 1000, (fresh + valid) * 1000];
      const limits: Array<number> = [];
      const fetchAt = nextCacheFetch(at(0, freshUntil, validUntil), (limit) => {
        limits.push(limit);
        return chance % limit;
      });
      assert.isTrue(fetchAt >= freshUntil && fetchAt < validUntil);
      assert.isTrue(fetchAt <= freshUntil + 24 * hour + 2 * minute);
      // The most that `Entropy.below` can be asked for.
      assert.isTrue(limits.every((limit) => Number.isInteger(limit) && limit > 0 && limit <= 2 ** 32));
    },
  );
});

describe("nextClientFetch", () => {
  const range = (consensus: Consensus): readonly [number, number] => [
    nextClientFetch(consensus, () => 0),
    nextClientFetch(consensus, (limit) => limit - 1) + 1,
  ];

  it("falls between three quarters of an interval later and seven eighths of what is left", () => {
    // The example of dir-spec 5.1: valid at 1:00, fresh until 2:00, expires at 4:00; fetched between 2:45 and 3:50. Seven eighths
    // of 75 minutes are 65 minutes and 37.5 seconds.
    assert.deepStrictEqual(range(at(hour, 2 * hour, 4 * hour)), [
      2 * hour + 45 * minute,
      2 * hour + 45 * minute + 65.625 * minute,
    ]);
  });

  it("falls into the same part of a round of twenty seconds", () => {
    assert.deepStrictEqual(range(at(0, 20_000, 60_000)), [35_000, 56_875]);
  });

  it("does not wait for a consensus to end", () => {
    assert.deepStrictEqual(range(at(0, 20_000, 30_500)), [28_500, 29_500]);
    assert.deepStrictEqual(range(at(0, 20_000, 20_500)), [20_000, 21_000]);
  });

  const seconds = Schema.Int.check(Schema.isBetween({ minimum: 10, maximum: 1_000_000_000 }));
  it.prop(
    "falls between the end of freshness and the end of the consensus, and no more than two days late",
    {
      fresh: seconds,
      valid: seconds,
      chance: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff })),
    },
    ({ fresh, valid, chance }) => {
      const [freshUntil, validUntil] = [fresh * 1000, (fresh + valid) * 1000];
      const limits: Array<number> = [];
      const draw: Draw = (limit) => {
        limits.push(limit);
        return chance % limit;
      };
      const fetchAt = nextClientFetch(at(0, freshUntil, validUntil), draw);
      assert.isTrue(fetchAt >= freshUntil && fetchAt < validUntil);
      assert.isTrue(fetchAt <= freshUntil + 48 * hour);
      assert.isTrue(limits.every((limit) => Number.isInteger(limit) && limit > 0 && limit <= 2 ** 32));
    },
  );
});

describe("Backoff", () => {
  it("draws each delay between a second and three times the one before it (dir-spec 5.5)", () => {
    const backoff = new Backoff(hour);
    const limits: Array<number> = [];
    const highest = (limit: number): number => {
      limits.push(limit);
      return limit - 1;
    };
    assert.deepStrictEqual([backoff.next(highest), backoff.next(highest), backoff.next(highest)], [1999, 5996, 17_987]);
    assert.strictEqual(
      backoff.next(() => 0),
      1000,
    );
    backoff.reset();
    assert.strictEqual(backoff.next(highest), 1999);
  });

  it("grows no further than its cap", () => {
    const backoff = new Backoff(3000);
    const delays = Array.from({ length: 20 }, () => backoff.next((limit) => limit - 1));
    assert.strictEqual(Math.max(...delays), 3000);
  });

  it("begins higher, if asked to", () => {
    assert.strictEqual(
      new Backoff(hour).next(() => 0, minute),
      minute,
    );
  });
});
