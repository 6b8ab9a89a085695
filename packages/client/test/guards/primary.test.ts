import { assert, describe, it } from "@effect/vitest";
import { GuardFilter } from "../../src/guards/index.ts";
import { Bench, candidates, day, relay, start, viewOf } from "./support.ts";

describe("the confirmed guards (guard-spec 4.3)", () => {
  it("are none at first", () => {
    assert.deepStrictEqual(new Bench(viewOf(candidates(30))).confirmed(), []);
  });

  it("have a guard at the end once a circuit through it was built (4.8), and only once", () => {
    const bench = new Bench(viewOf(candidates(30)));
    const [one, two, three] = bench.primary() as [string, string, string];
    const without = (...relays: ReadonlyArray<string>) => ({
      restrictions: [{ kind: "not-among" as const, relays: new Set(relays) }],
    });
    assert.strictEqual(bench.use(without(one, two)), three);
    assert.strictEqual(bench.use(without(two, three)), one);
    assert.strictEqual(bench.use(without(two, three)), one);
    assert.deepStrictEqual(bench.confirmed(), [three, one]);
  });

  it("are not joined by a guard that was only tried", () => {
    const bench = new Bench(viewOf(candidates(30)));
    bench.fail(bench.choose());
    bench.set.indeterminate(bench.choose().ticket, bench.now);
    assert.deepStrictEqual(bench.confirmed(), []);
  });

  it("are dated into the past by up to a tenth of GUARD_LIFETIME", () => {
    const ages = Array.from({ length: 40 }, (_, seed) => {
      const bench = new Bench(viewOf(candidates(30)), { seed: seed + 1 });
      return start - (bench.guard(bench.use()).confirmedOn as number);
    });
    assert.isTrue(ages.every((age) => age >= 0 && age <= 12 * day + 1000));
    assert.isAbove(Math.max(...ages), 8 * day);
    assert.isBelow(Math.min(...ages), 4 * day);
  });
});

describe("the primary guards (guard-spec 4.4)", () => {
  it("are the first N_PRIMARY_GUARDS of the sample, while none is confirmed", () => {
    const bench = new Bench(viewOf(candidates(100)));
    assert.deepStrictEqual(bench.primary(), bench.sampled().slice(0, 3));
  });

  it("are as many as the consensus says", () => {
    const bench = new Bench(viewOf(candidates(100), { params: { "guard-n-primary-guards": 5 } }));
    assert.strictEqual(bench.primary().length, 5);
    bench.update(viewOf(candidates(100), { params: { "guard-n-primary-guards": 2 } }));
    assert.strictEqual(bench.primary().length, 2);
  });

  it("have confirmed guards first, in their order", () => {
    const bench = new Bench(viewOf(candidates(100)));
    const [one, two, three] = bench.primary() as [string, string, string];
    bench.use({ restrictions: [{ kind: "not-among", relays: new Set([one, two]) }] });
    assert.deepStrictEqual(bench.primary(), [three, one, two]);
  });

  it("lose an unconfirmed guard to one that becomes confirmed, and keep the others", () => {
    const bench = new Bench(viewOf(candidates(100)));
    const before = bench.primary();
    bench.loseAllPrimary();
    const used = bench.use();
    assert.notInclude(before, used);
    assert.deepStrictEqual(bench.primary(), [used, ...before.slice(0, 2)]);
  });

  it("keep an unconfirmed guard, though one that was sampled earlier can be used again", () => {
    const bench = new Bench(viewOf(candidates(100)));
    const [first, second, third] = bench.primary() as [string, string, string];
    const fourth = bench.sampled()[3] as string;
    const configure = (filter: GuardFilter) => bench.set.update(bench.view, bench.now, bench.random, filter);
    configure(new GuardFilter({ allowed: (guard) => guard !== first }));
    assert.deepStrictEqual(bench.primary(), [second, third, fourth]);
    configure(GuardFilter.none);
    assert.deepStrictEqual(bench.primary(), [second, third, fourth]);
  });

  it("stay so when they are down", () => {
    const bench = new Bench(viewOf(candidates(100)));
    const before = bench.primary();
    bench.loseAllPrimary();
    assert.deepStrictEqual(bench.primary(), before);
  });

  it("do not contain a confirmed guard beyond the first N_PRIMARY_GUARDS", () => {
    const bench = new Bench(viewOf(candidates(100))).settle();
    const before = bench.primary();
    bench.loseAllPrimary();
    const used = bench.use();
    assert.deepStrictEqual(bench.confirmed(), [...before, used]);
    assert.deepStrictEqual(bench.primary(), before);
    assert.strictEqual(bench.guard(used).role, "confirmed");
  });

  it("are filled up when one leaves the consensus", () => {
    const bench = new Bench(viewOf(candidates(10))).settle();
    const [first, ...rest] = bench.primary() as [string, string, string];
    bench.update(viewOf(candidates(10).filter(({ fingerprint }) => fingerprint !== first)));
    assert.deepStrictEqual(bench.primary().slice(0, 2), rest);
    assert.strictEqual(bench.primary().length, 3);
    assert.notInclude(bench.primary(), first);
    bench.update(viewOf(candidates(10)));
    assert.deepStrictEqual(bench.primary(), [first, ...rest]);
  });

  it("are used by many circuits at once, though one was only being tried before (4.6)", () => {
    const bench = new Bench(viewOf(candidates(100)));
    const before = bench.primary();
    bench.loseAllPrimary();
    const { guard } = bench.choose();
    assert.isTrue(bench.guard(guard.fingerprint).pending);
    const filter = new GuardFilter({ allowed: (other) => !before.includes(other) });
    bench.set.update(bench.view, bench.now, bench.random, filter);
    assert.strictEqual(bench.primary()[0], guard.fingerprint);
    assert.isFalse(bench.guard(guard.fingerprint).pending);
    assert.strictEqual(bench.choose().guard.fingerprint, guard.fingerprint);
  });

  it("are fewer in a small network", () => {
    assert.sameMembers([...new Bench(viewOf(candidates(2))).primary()], [relay(1), relay(2)]);
  });
});
