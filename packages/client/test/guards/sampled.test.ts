import { assert, describe, it } from "@effect/vitest";
import { GuardFilter } from "../../src/guards/index.ts";
import { SAMPLE_LIMIT } from "../../src/guards/limits.ts";
import { Bench, candidate, candidates, day, minute, relay, seeded, start, viewOf } from "./support.ts";

const dateOf = (text: string | undefined): number => Date.parse(text ?? "");

describe("the sample (guard-spec 4.1)", () => {
  it("has MIN_FILTERED_SAMPLE guards at first", () => {
    assert.strictEqual(new Bench(viewOf(candidates(1000))).sampled().length, 20);
  });

  it("has all of a network that has fewer", () => {
    assert.strictEqual(new Bench(viewOf(candidates(4))).sampled().length, 4);
  });

  it("grows while too few are usable, up to MAX_SAMPLE_SIZE", () => {
    const bench = new Bench(viewOf(candidates(1000), { params: { "guard-max-sample-size": 33 } }));
    for (let round = 0; round < 33; round++) bench.fail(bench.choose());
    assert.strictEqual(bench.refuse().reason, "all-down");
    assert.strictEqual(bench.sampled().length, 33);
  });

  it("grows up to MAX_SAMPLE_THRESHOLD of the guards in the consensus", () => {
    const bench = new Bench(viewOf(candidates(110)));
    for (let round = 0; round < 22; round++) bench.fail(bench.choose());
    assert.strictEqual(bench.refuse().reason, "all-down");
    assert.strictEqual(bench.sampled().length, 22);
  });

  it("may grow to MIN_FILTERED_SAMPLE even where the maximum would be smaller", () => {
    const bench = new Bench(viewOf(candidates(50), { params: { "guard-max-sample-size": 3 } }));
    assert.strictEqual(bench.sampled().length, 20);
  });

  it("never has more than this program's own limit, whatever the consensus says", () => {
    const params = { "guard-max-sample-size": 2 ** 31 - 1, "guard-min-filtered-sample-size": 2 ** 31 - 1 };
    const bench = new Bench(
      viewOf(candidates(3 * SAMPLE_LIMIT), { params: { ...params, "guard-max-sample-threshold-percent": 100 } }),
    );
    assert.strictEqual(bench.sampled().length, SAMPLE_LIMIT);
  });

  it("records when and by which version a guard was added, the date moved into the past by up to a tenth of GUARD_LIFETIME", () => {
    const bench = new Bench(viewOf(candidates(1000)));
    const state = bench.set.state();
    const ages = state.map(({ addedOn }) => start - dateOf(addedOn));
    assert.isTrue(ages.every((age) => age >= 0 && age <= 12 * day + 1000));
    assert.isAbove(new Set(ages).size, 15);
    assert.isAbove(Math.max(...ages), 6 * day);
    assert.deepStrictEqual(new Set(state.map(({ addedBy }) => addedBy)), new Set(["1.2.3"]));
  });

  it("is asked for nothing while the consensus is not live", () => {
    const bench = new Bench(viewOf(candidates(100), { live: false }));
    assert.strictEqual(bench.refuse().reason, "none-sampled");
  });

  it("does not depend on the configuration, which is applied after it", () => {
    const filter = new GuardFilter({ allowed: (guard) => guard.endsWith("7") });
    const restricted = new Bench(viewOf(candidates(200)), { filter }).sampled();
    const free = new Bench(viewOf(candidates(200))).sampled();
    assert.strictEqual(restricted.length, 40);
    // The first draws differ in nothing; those that follow make up for what cannot be used.
    assert.deepStrictEqual(restricted.slice(0, 20), free);
  });

  it("follows the weights", () => {
    // Ten guards with weights 1 to 10, of which one is drawn first.
    const rounds = 3000;
    const random = seeded(7);
    const view = viewOf(
      candidates(10, (number) => number),
      { params: { "guard-min-filtered-sample-size": 1 } },
    );
    const counts = new Map<string, number>();
    for (let round = 0; round < rounds; round++) {
      const bench = new Bench(view, { seed: Math.floor(random.uniform() * 2 ** 32) });
      const [first = ""] = bench.sampled();
      counts.set(first, (counts.get(first) ?? 0) + 1);
    }
    // Chi-squared with nine degrees of freedom: above 27.9 once in a thousand seeds.
    let chiSquared = 0;
    for (let number = 1; number <= 10; number++) {
      const expected = (rounds * number) / 55;
      chiSquared += ((counts.get(relay(number)) ?? 0) - expected) ** 2 / expected;
    }
    assert.isBelow(chiSquared, 27.9);
  });

  it("follows the weights among those that are left, too", () => {
    // Of weights 8, 1, 1: the heavy one first (0.8), or second (0.2 × 8/9).
    const view = viewOf([candidate(1, 8), candidate(2, 1), candidate(3, 1)], {
      params: { "guard-min-filtered-sample-size": 2 },
    });
    const rounds = 2000;
    let among = 0;
    for (let seed = 1; seed <= rounds; seed++) if (new Bench(view, { seed }).sampled().includes(relay(1))) among++;
    assert.closeTo(among / rounds, 0.8 + (0.2 * 8) / 9, 0.01);
  });

  it("takes guards without weight only once there are no others, and no nonsense for a weight", () => {
    const weights = [Number.NaN, 3, -5, Number.POSITIVE_INFINITY, 0];
    const view = viewOf(candidates(5, (number) => weights[number - 1] as number));
    for (let seed = 1; seed <= 20; seed++) {
      const sampled = new Bench(view, { seed }).sampled();
      assert.strictEqual(sampled[0], relay(2));
      assert.strictEqual(sampled.length, 5);
    }
  });
});

describe("leaving the sample (guard-spec 4.1, 4.10)", () => {
  it("marks a guard that is listed no more, the date moved into the past by up to a fifth of REMOVE_UNLISTED_GUARDS_AFTER", () => {
    const bench = new Bench(viewOf(candidates(100)));
    bench.now += day;
    bench.update(viewOf([]));
    const dates = bench.set.state().map(({ unlistedSince }) => bench.now - dateOf(unlistedSince));
    assert.isTrue(dates.every((age) => age >= 0 && age <= 4 * day + 1000));
    assert.isAbove(new Set(dates).size, 15);
  });

  it("keeps the date while the guard stays away, and forgets it when it is listed again", () => {
    const bench = new Bench(viewOf(candidates(5)));
    bench.update(viewOf(candidates(4)));
    const since = bench.guard(relay(5)).unlistedSince;
    bench.now += day;
    bench.update();
    assert.strictEqual(bench.guard(relay(5)).unlistedSince, since);
    assert.isFalse(bench.guard(relay(5)).listed);
    bench.update(viewOf(candidates(5)));
    assert.isUndefined(bench.guard(relay(5)).unlistedSince);
  });

  it("removes a guard that was unlisted for longer than REMOVE_UNLISTED_GUARDS_AFTER, confirmed or not", () => {
    const bench = new Bench(viewOf(candidates(5)));
    const used = bench.use();
    bench.update(viewOf(candidates(5).filter(({ fingerprint }) => fingerprint !== used)));
    bench.now = (bench.guard(used).unlistedSince as number) + 20 * day;
    assert.deepStrictEqual(bench.update().removed, []);
    bench.now += 1;
    assert.deepStrictEqual(bench.update().removed, [{ fingerprint: used, reason: "unlisted-too-long" }]);
    assert.notInclude(bench.sampled(), used);
    assert.deepStrictEqual(bench.confirmed(), []);
    assert.notInclude(bench.primary(), used);
  });

  it("removes a guard that was never used after GUARD_LIFETIME", () => {
    const bench = new Bench(viewOf([candidate(1)]));
    bench.now = bench.guard(relay(1)).addedOn + 120 * day;
    assert.deepStrictEqual(bench.update().removed, []);
    bench.now += 1;
    const { removed, added } = bench.update();
    assert.deepStrictEqual(removed, [{ fingerprint: relay(1), reason: "never-used" }]);
    // It may be sampled anew.
    assert.deepStrictEqual(added, [relay(1)]);
  });

  it("forgets what was known of a guard that is sampled anew", () => {
    const bench = new Bench(viewOf([candidate(1)]));
    bench.fail(bench.choose());
    bench.now += 121 * day;
    const { removed, added } = bench.update();
    assert.deepStrictEqual([removed.length, added], [1, [relay(1)]]);
    assert.strictEqual(bench.snapshot().length, 1);
    assert.isUndefined(bench.guard(relay(1)).failingSince);
    assert.strictEqual(bench.guard(relay(1)).role, "primary");
  });

  it("removes a used one only once its use, too, began GUARD_CONFIRMED_MIN_LIFETIME ago", () => {
    const bench = new Bench(viewOf([candidate(1)]));
    bench.now = bench.guard(relay(1)).addedOn + 110 * day;
    bench.use();
    bench.now += 30 * day;
    assert.deepStrictEqual(bench.update().removed, []);
    bench.now = (bench.guard(relay(1)).confirmedOn as number) + 60 * day + 1;
    assert.deepStrictEqual(bench.update().removed, [{ fingerprint: relay(1), reason: "lifetime-over" }]);
  });

  it("takes lifetimes from the consensus", () => {
    const params = { "guard-lifetime-days": 2, "guard-remove-unlisted-guards-after-days": 1 };
    const bench = new Bench(viewOf(candidates(2), { params }));
    bench.update(viewOf([candidate(1)], { params }));
    bench.now += day + 1;
    assert.include(
      bench.update().removed.map(({ reason }) => reason),
      "unlisted-too-long",
    );
    bench.now += day + 1;
    assert.include(
      bench.update().removed.map(({ reason }) => reason),
      "never-used",
    );
  });

  it("removes and marks nothing while the consensus is not live", () => {
    const bench = new Bench(viewOf(candidates(3)));
    bench.now += 400 * day;
    assert.deepStrictEqual(bench.update(viewOf([], { live: false })).removed, []);
    assert.isTrue(bench.snapshot().every(({ listed }) => listed));
  });

  it("closes circuits that wait with a guard that has left", () => {
    const bench = new Bench(viewOf(candidates(30))).settle();
    bench.loseAllPrimary();
    // One that is waited for, so that the other waits.
    bench.choose();
    const choice = bench.choose();
    const building = bench.choose();
    bench.now += 11 * minute;
    assert.strictEqual(bench.succeed(choice).usability, "waiting-for-better-guard");
    bench.now += 500 * day;
    const { expired } = bench.update();
    assert.deepInclude(expired, choice.ticket);
    assert.deepStrictEqual(bench.set.waiting(), []);
    assert.strictEqual(bench.succeed(building).usability, "never");
  });

  it("brings dates of a clock that was wrong back to now, once a live consensus tells the time", () => {
    const bench = new Bench(viewOf(candidates(3)));
    const used = bench.use();
    bench.now -= 300 * day;
    bench.update(viewOf(candidates(3), { live: false }));
    assert.isAbove(bench.guard(used).addedOn, bench.now);
    bench.update(viewOf(candidates(3)));
    for (const { addedOn, confirmedOn } of bench.snapshot()) {
      assert.isAtMost(addedOn, bench.now);
      assert.isAtMost(confirmedOn ?? 0, bench.now);
    }
  });
});
