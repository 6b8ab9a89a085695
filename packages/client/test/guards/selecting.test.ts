import { assert, describe, it } from "@effect/vitest";
import { GuardSet, NoGuardError } from "../../src/guards/index.ts";
import { GUARD_CIRCUIT_LIMIT } from "../../src/guards/limits.ts";
import { Bench, candidates, minute, relay, second, seeded, start, viewOf } from "./support.ts";

const notAmong = (...relays: ReadonlyArray<string>) => ({
  restrictions: [{ kind: "not-among" as const, relays: new Set(relays) }],
});

/** How often each guard is chosen. */
const tally = (rounds: number, choose: () => string): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    const guard = choose();
    counts.set(guard, (counts.get(guard) ?? 0) + 1);
  }
  return counts;
};

describe("selecting a guard (guard-spec 4.6)", () => {
  it("gives the first primary guard that is not down, to be used as soon as the circuit is built", () => {
    const bench = new Bench(viewOf(candidates(100)));
    const primary = bench.primary();
    for (const expected of primary) {
      const choice = bench.choose();
      assert.strictEqual(choice.guard.fingerprint, expected);
      assert.strictEqual(choice.usability, "usable-on-completion");
      bench.fail(choice);
    }
    assert.strictEqual(bench.choose().usability, "usable-if-no-better-guard");
  });

  it("gives the same primary guard to many circuits before it is known whether it is up", () => {
    const bench = new Bench(viewOf(candidates(100)));
    const counts = tally(20, () => bench.choose().guard.fingerprint);
    assert.deepStrictEqual([...counts.keys()], [bench.primary()[0]]);
  });

  it("gives one of the first NUM_USABLE_PRIMARY_GUARDS, each as often", () => {
    const bench = new Bench(viewOf(candidates(100), { params: { "guard-n-primary-guards-to-use": 2 } }));
    const counts = tally(2000, () => bench.choose().guard.fingerprint);
    assert.sameMembers([...counts.keys()], bench.primary().slice(0, 2) as Array<string>);
    for (const count of counts.values()) assert.closeTo(count, 1000, 90);
  });

  it("gives one of the first NUM_USABLE_PRIMARY_DIRECTORY_GUARDS for a directory, each as often", () => {
    const bench = new Bench(viewOf(candidates(100)));
    const counts = tally(3000, () => bench.choose({ purpose: "directory" }).guard.fingerprint);
    assert.sameMembers([...counts.keys()], [...bench.primary()]);
    for (const count of counts.values()) assert.closeTo(count, 1000, 100);
  });

  it("then gives the confirmed guards in their order, each to one circuit", () => {
    const bench = new Bench(viewOf(candidates(100))).settle();
    bench.loseAllPrimary();
    const one = bench.choose();
    const two = bench.choose();
    bench.succeed(two);
    bench.succeed(one);
    const confirmed = [two.guard.fingerprint, one.guard.fingerprint];
    assert.deepStrictEqual(bench.confirmed().slice(3), confirmed);
    // The success had primary guards tried again (4.8).
    bench.loseAllPrimary();
    const given = [bench.choose(), bench.choose()].map(({ guard, usability }) => [guard.fingerprint, usability]);
    assert.deepStrictEqual(
      given,
      confirmed.map((guard) => [guard, "usable-if-no-better-guard"]),
    );
    // All are being tried: the first, once more.
    assert.strictEqual(bench.choose().guard.fingerprint, confirmed[0]);
  });

  it("then gives the others in the order of the sample, each to one circuit", () => {
    const bench = new Bench(viewOf(candidates(100)));
    bench.loseAllPrimary();
    const others = bench.sampled().slice(3);
    // One was taken and given back by the bench, so it is free.
    const given = others.map(() => bench.choose());
    assert.deepStrictEqual(
      given.map(({ guard }) => guard.fingerprint),
      others,
    );
    assert.isTrue(given.every(({ usability }) => usability === "usable-if-no-better-guard"));
    assert.isTrue(given.every(({ guard }) => bench.guard(guard.fingerprint).pending));
    assert.strictEqual(bench.choose().guard.fingerprint, others[0]);
  });

  it("records when a guard was given out", () => {
    const bench = new Bench(viewOf(candidates(10)));
    bench.now += 42 * second;
    const { guard } = bench.choose();
    assert.strictEqual(bench.guard(guard.fingerprint).lastTried, start + 42 * second);
    assert.strictEqual(bench.snapshot().filter(({ lastTried }) => lastTried !== undefined).length, 1);
  });

  it("samples more guards before it goes on to those that are not primary (4.2)", () => {
    const bench = new Bench(viewOf(candidates(1000)));
    assert.strictEqual(bench.sampled().length, 20);
    bench.loseAllPrimary();
    assert.strictEqual(bench.sampled().length, 23);
    assert.strictEqual(bench.snapshot().filter(({ reachability }) => reachability !== "no").length, 20);
  });

  it("says that there is no consensus", () => {
    const set = GuardSet.empty({ version: "1.2.3" });
    const choose = () => set.choose({ purpose: "directory", now: start, random: seeded(1) });
    assert.throws(choose, NoGuardError, "there is no consensus yet");
  });

  it("says that the consensus lists no guards", () => {
    assert.strictEqual(new Bench(viewOf([])).refuse().reason, "none-sampled");
  });

  it("remembers a bounded number of circuits", () => {
    const bench = new Bench(viewOf(candidates(3)));
    const choices = Array.from({ length: GUARD_CIRCUIT_LIMIT }, () => bench.choose());
    assert.strictEqual(bench.refuse().reason, "too-many-circuits");
    const [first, second] = choices as [(typeof choices)[0], (typeof choices)[0]];
    bench.set.closed(first.ticket, bench.now);
    bench.choose();
    bench.fail(second);
    bench.choose();
    assert.strictEqual(bench.refuse().reason, "too-many-circuits");
  });
});

describe("restrictions of one circuit (guard-spec 4.6)", () => {
  it("keep the exit from being the guard", () => {
    const bench = new Bench(viewOf(candidates(10)));
    const [first = "", second] = bench.primary();
    const choice = bench.choose({ restrictions: [{ kind: "exit", exit: first, related: () => false }] });
    assert.strictEqual(choice.guard.fingerprint, second);
    assert.strictEqual(choice.usability, "usable-on-completion");
  });

  it("keep its family from being it", () => {
    const bench = new Bench(viewOf(candidates(10)));
    const [first, second, third] = bench.primary();
    const related = (guard: string): boolean => guard === first || guard === second;
    assert.strictEqual(
      bench.choose({ restrictions: [{ kind: "exit", exit: relay(99), related }] }).guard.fingerprint,
      third,
    );
  });

  it("give the legs of a conflux set different primary guards (proposal 329)", () => {
    const bench = new Bench(viewOf(candidates(100)));
    const one = bench.choose();
    const two = bench.choose(notAmong(one.guard.fingerprint));
    assert.deepStrictEqual(
      [one, two].map(({ guard }) => guard.fingerprint),
      bench.primary().slice(0, 2),
    );
    assert.deepStrictEqual([bench.succeed(one).usability, bench.succeed(two).usability], ["complete", "complete"]);
  });

  it("pass over a directory that lately did not have what was asked for, unless few are left", () => {
    for (const [count, passedOver] of [
      [10, true],
      [9, false],
    ] as const) {
      const bench = new Bench(viewOf(candidates(count), { params: { "guard-n-primary-dir-guards-to-use": 1 } }));
      const [first = ""] = bench.primary();
      const choice = bench.choose({
        purpose: "directory",
        restrictions: [{ kind: "stale-directory", relays: new Set([first]) }],
      });
      assert.strictEqual(choice.guard.fingerprint !== first, passedOver);
    }
  });

  it("may leave nothing", () => {
    const bench = new Bench(viewOf(candidates(2)));
    const error = bench.refuse(notAmong(relay(1), relay(2)));
    assert.strictEqual(error.reason, "all-restricted");
    assert.deepStrictEqual(error.counts, { sampled: 2, filtered: 2, permitted: 0, usable: 0 });
  });

  it("hold for guards that are not primary, too", () => {
    const bench = new Bench(viewOf(candidates(100)));
    bench.loseAllPrimary();
    const [fourth = "", fifth] = bench.sampled().slice(3);
    assert.strictEqual(bench.choose(notAmong(fourth)).guard.fingerprint, fifth);
  });
});

describe("missing microdescriptors (guard-spec 4.12)", () => {
  it("keep circuits from being built until those of the first primary guards are there", () => {
    const missing = new Set<string>();
    const bench = new Bench(viewOf(candidates(30), { hasDescriptor: (guard) => !missing.has(guard) }));
    const [first = ""] = bench.primary();
    missing.add(first);
    const error = bench.refuse();
    assert.strictEqual(error.reason, "missing-descriptors");
    assert.deepStrictEqual(error.missing, [first]);
    missing.clear();
    assert.strictEqual(bench.choose().guard.fingerprint, first);
  });

  it("are told beforehand", () => {
    const bench = new Bench(viewOf(candidates(30), { params: { "guard-n-primary-guards-to-use": 2 } }));
    const [first, ...others] = bench.primary();
    const firstTwo = bench.primary().slice(0, 2);
    assert.deepStrictEqual(bench.set.primaryInUse(bench.now), firstTwo);
    bench.fail(bench.choose(notAmong(...others)));
    assert.notInclude(bench.set.primaryInUse(bench.now), first);
    assert.deepStrictEqual(bench.set.primaryInUse(bench.now), others);
    bench.now += 10 * minute;
    assert.deepStrictEqual(bench.set.primaryInUse(bench.now), firstTwo);
  });

  it("do not keep a directory from being asked", () => {
    const bench = new Bench(viewOf(candidates(30), { hasDescriptor: () => false }));
    assert.strictEqual(bench.choose({ purpose: "directory" }).usability, "usable-on-completion");
  });

  it("of primary guards that are down do not matter", () => {
    const missing = new Set<string>();
    const bench = new Bench(viewOf(candidates(30), { hasDescriptor: (guard) => !missing.has(guard) }));
    const [first = "", second] = bench.primary();
    bench.fail(bench.choose());
    missing.add(first);
    assert.strictEqual(bench.choose().guard.fingerprint, second);
  });

  it("of other guards have the next one chosen", () => {
    const missing = new Set<string>();
    const bench = new Bench(viewOf(candidates(30), { hasDescriptor: (guard) => !missing.has(guard) }));
    bench.loseAllPrimary();
    const [fourth = "", fifth] = bench.sampled().slice(3);
    missing.add(fourth);
    assert.strictEqual(bench.choose().guard.fingerprint, fifth);
    for (const guard of bench.sampled()) missing.add(guard);
    const error = bench.refuse();
    assert.strictEqual(error.reason, "missing-descriptors");
    assert.include(error.missing, fourth);
  });
});

describe("a guard and time", () => {
  it("gives the same for the same seed", () => {
    const run = (seed: number) => {
      const bench = new Bench(viewOf(candidates(300, (number) => number)), { seed });
      for (let round = 0; round < 50; round++) {
        bench.now += minute;
        if (round % 3 === 0) bench.fail(bench.choose());
        else bench.use({ purpose: "directory" });
      }
      return bench.snapshot();
    };
    assert.deepStrictEqual(run(5), run(5));
    assert.notDeepEqual(run(5), run(6));
  });
});
