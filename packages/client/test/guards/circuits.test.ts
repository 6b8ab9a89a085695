import { assert, describe, it } from "@effect/vitest";
import { hasHigherPriority } from "../../src/guards/circuits.ts";
import { SampledGuard } from "../../src/guards/guard.ts";
import type { GuardChoice } from "../../src/guards/index.ts";
import { Bench, candidates, minute, relay, second, start, viewOf } from "./support.ts";

/** A client whose primary guards were used before and are down now, and who was online a moment ago. */
const cutOff = (): Bench => {
  const bench = new Bench(viewOf(candidates(100))).settle();
  bench.loseAllPrimary();
  return bench;
};

const notAmong = (...relays: ReadonlyArray<string>) => ({
  restrictions: [{ kind: "not-among" as const, relays: new Set(relays) }],
});

describe("when a circuit fails (guard-spec 4.7)", () => {
  it("its guard is down, and not being tried any more", () => {
    const bench = cutOff();
    const choice = bench.choose();
    const { fingerprint } = choice.guard;
    assert.isTrue(bench.guard(fingerprint).pending);
    bench.now += second;
    bench.fail(choice);
    const { reachability, pending, failingSince } = bench.guard(fingerprint);
    assert.deepStrictEqual([reachability, pending, failingSince], ["no", false, bench.now]);
  });

  it("without its guard being to blame, the guard stays as it was", () => {
    const bench = cutOff();
    const choice = bench.choose();
    const before = bench.guard(choice.guard.fingerprint);
    bench.set.indeterminate(choice.ticket, bench.now);
    assert.deepStrictEqual(bench.guard(choice.guard.fingerprint), { ...before, pending: false });
    const primary = new Bench(viewOf(candidates(10)));
    const other = primary.choose();
    primary.set.indeterminate(other.ticket, primary.now);
    assert.strictEqual(primary.guard(other.guard.fingerprint).reachability, "maybe");
  });

  it("for a second time, that changes nothing", () => {
    const bench = new Bench(viewOf(candidates(10)));
    const choice = bench.choose();
    bench.fail(choice);
    bench.now += 11 * minute;
    bench.tick();
    const before = bench.snapshot();
    assert.deepStrictEqual(bench.fail(choice), []);
    assert.deepStrictEqual(bench.set.indeterminate(choice.ticket, bench.now), []);
    assert.deepStrictEqual(bench.succeed(choice), { usability: "never", completed: [] });
    assert.deepStrictEqual(bench.snapshot(), before);
  });
});

describe("when a circuit succeeds (guard-spec 4.8)", () => {
  it("its guard is up, confirmed, and no longer failing or being tried", () => {
    const bench = cutOff();
    const choice = bench.choose();
    bench.fail(choice);
    bench.now += 61 * minute;
    bench.loseAllPrimary();
    const again = bench.choose(notAmong(...bench.sampled().filter((guard) => guard !== choice.guard.fingerprint)));
    assert.strictEqual(again.guard.fingerprint, choice.guard.fingerprint);
    bench.succeed(again);
    const { reachability, pending, failingSince, role } = bench.guard(choice.guard.fingerprint);
    assert.deepStrictEqual([reachability, pending, failingSince, role], ["yes", false, undefined, "confirmed"]);
  });

  it("through a primary guard, it is complete", () => {
    const bench = new Bench(viewOf(candidates(10)));
    const choice = bench.choose();
    assert.deepStrictEqual(bench.succeed(choice), { usability: "complete", completed: [] });
    // Told twice.
    assert.deepStrictEqual(bench.succeed(choice), { usability: "complete", completed: [] });
  });

  it("through another, it is complete if nothing better may come", () => {
    const bench = cutOff();
    assert.deepStrictEqual(bench.succeed(bench.choose()), { usability: "complete", completed: [] });
  });

  it("through another that becomes primary by it, it is complete", () => {
    const bench = new Bench(viewOf(candidates(100)));
    bench.loseAllPrimary();
    const choice = bench.choose();
    assert.strictEqual(bench.succeed(choice).usability, "complete");
    assert.strictEqual(bench.primary()[0], choice.guard.fingerprint);
  });

  describe("after INTERNET_LIKELY_DOWN_INTERVAL without any", () => {
    const params = { "guard-internet-likely-down-interval": 60 };
    const silent = (millis: number): readonly [bench: Bench, choice: GuardChoice] => {
      const bench = cutOff();
      bench.update(viewOf(candidates(100), { params }));
      const choice = bench.choose();
      bench.now += millis;
      return [bench, choice];
    };
    const primary = (bench: Bench): ReadonlyArray<string> =>
      bench.primary().map((guard) => bench.guard(guard).reachability);

    it("primary guards are tried again first", () => {
      const [bench, choice] = silent(minute + 1);
      assert.deepStrictEqual(primary(bench), ["no", "no", "no"]);
      assert.deepStrictEqual(bench.succeed(choice), { usability: "waiting-for-better-guard", completed: [] });
      assert.deepStrictEqual(primary(bench), ["maybe", "maybe", "maybe"]);
      assert.strictEqual(bench.choose().usability, "usable-on-completion");
      // They are down all the same.
      assert.deepStrictEqual(bench.loseAllPrimary(), [choice.ticket]);
    });

    it("but not before", () => {
      const [bench, choice] = silent(minute);
      assert.strictEqual(bench.succeed(choice).usability, "complete");
      assert.deepStrictEqual(primary(bench), ["no", "no", "no"]);
    });

    it("whichever way the clock was set meanwhile", () => {
      const [bench, choice] = silent(30 * second);
      bench.tick();
      bench.now -= 100 * minute;
      bench.tick();
      bench.now += 30 * second + 1;
      assert.strictEqual(bench.succeed(choice).usability, "waiting-for-better-guard");
    });

    it("unless something came over a complete circuit", () => {
      const [bench, choice] = silent(minute);
      bench.set.noteInternet(bench.now);
      bench.now += minute;
      assert.strictEqual(bench.succeed(choice).usability, "complete");
    });
  });

  it("the first of a program has them tried again, as nothing is known of the time before", () => {
    const before = new Bench(viewOf(candidates(100))).settle();
    const bench = new Bench(before.view, { stored: before.set.state() });
    assert.deepStrictEqual(bench.primary(), before.primary());
    bench.loseAllPrimary();
    assert.strictEqual(bench.succeed(bench.choose()).usability, "waiting-for-better-guard");
    for (const guard of bench.primary()) assert.strictEqual(bench.guard(guard).reachability, "maybe");
  });
});

describe("circuits that wait (guard-spec 4.9)", () => {
  /** Two confirmed guards beside the primary ones, the better first; all primary guards are down. */
  const two = (): readonly [bench: Bench, better: string, worse: string] => {
    const bench = cutOff();
    const one = bench.choose();
    const other = bench.choose();
    bench.succeed(one);
    bench.succeed(other);
    bench.set.closed(one.ticket, bench.now);
    bench.set.closed(other.ticket, bench.now);
    return [bench, one.guard.fingerprint, other.guard.fingerprint];
  };

  it("wait for one with a better guard that is being built", () => {
    const [bench, better, worse] = two();
    const one = bench.choose();
    const other = bench.choose();
    assert.deepStrictEqual([one.guard.fingerprint, other.guard.fingerprint], [better, worse]);
    assert.strictEqual(bench.succeed(other).usability, "waiting-for-better-guard");
    // It fails: nothing better may come.
    assert.deepStrictEqual(bench.fail(one), [other.ticket]);
    assert.deepStrictEqual(bench.set.waiting(), []);
  });

  it("can be told from those that are being built and those that are complete (4.11)", () => {
    const [bench] = two();
    const one = bench.choose();
    const other = bench.choose();
    const states = () => [one, other].map(({ ticket }) => bench.set.usability(ticket));
    assert.deepStrictEqual(states(), ["usable-if-no-better-guard", "usable-if-no-better-guard"]);
    bench.succeed(other);
    assert.deepStrictEqual(states(), ["usable-if-no-better-guard", "waiting-for-better-guard"]);
    bench.fail(one);
    assert.deepStrictEqual(states(), [undefined, "complete"]);
    const primary = new Bench(viewOf(candidates(3)));
    assert.strictEqual(primary.set.usability(primary.choose().ticket), "usable-on-completion");
  });

  it("go on waiting once that is complete, and are used when it ends", () => {
    const [bench] = two();
    const one = bench.choose();
    const other = bench.choose();
    bench.succeed(other);
    assert.deepStrictEqual(bench.succeed(one), { usability: "complete", completed: [] });
    assert.deepStrictEqual(bench.set.waiting(), [other.ticket]);
    assert.deepStrictEqual(bench.set.closed(one.ticket, bench.now), [other.ticket]);
  });

  it("do not go on waiting for one whose guard is down by now, though it has not ended", () => {
    const [bench, better] = two();
    const one = bench.choose();
    bench.succeed(one);
    const another = bench.choose();
    assert.deepStrictEqual(
      [one, another].map(({ guard }) => guard.fingerprint),
      [better, better],
    );
    bench.fail(another);
    const other = bench.choose();
    assert.notStrictEqual(other.guard.fingerprint, better);
    assert.strictEqual(bench.succeed(other).usability, "complete");
  });

  it("nor go on waiting when it is found to be down", () => {
    const [bench] = two();
    const one = bench.choose();
    const other = bench.choose();
    bench.succeed(one);
    const another = bench.choose();
    assert.strictEqual(bench.succeed(other).usability, "waiting-for-better-guard");
    assert.deepStrictEqual(bench.fail(another), [other.ticket]);
  });

  it("nor go on waiting when the consensus does not list that guard any more", () => {
    const [bench, better] = two();
    const one = bench.choose();
    const other = bench.choose();
    bench.succeed(other);
    bench.succeed(one);
    assert.deepStrictEqual(bench.set.waiting(), [other.ticket]);
    const left = candidates(100).filter(({ fingerprint }) => fingerprint !== better);
    assert.deepStrictEqual(bench.update(viewOf(left)).completed, [other.ticket]);
  });

  it("are not to be waited for if a better guard would be given out by now", () => {
    const [bench, better, worse] = two();
    const one = bench.choose();
    const other = bench.choose();
    assert.deepStrictEqual(
      [one, other].map(({ guard }) => guard.fingerprint),
      [better, worse],
    );
    bench.succeed(other);
    // Somebody is finding out about the better one.
    assert.isFalse(bench.set.isOutdone(other.ticket, bench.now));
    bench.succeed(one);
    assert.isTrue(bench.set.isOutdone(other.ticket, bench.now));
    assert.isFalse(bench.set.isOutdone(one.ticket, bench.now), "it does not wait");
    bench.set.closed(other.ticket, bench.now);
    assert.isFalse(bench.set.isOutdone(other.ticket, bench.now), "nobody knows it");
  });

  it("wait for one that is being built no longer than NONPRIMARY_GUARD_CONNECT_TIMEOUT", () => {
    const [bench] = two();
    bench.choose();
    const other = bench.choose();
    bench.succeed(other);
    bench.now += 15 * second;
    assert.deepStrictEqual(bench.tick().completed, []);
    assert.strictEqual(bench.set.nextTick(bench.now), bench.now + 1);
    bench.now += 1;
    assert.deepStrictEqual(bench.tick(), { completed: [other.ticket], expired: [] });
  });

  it("do not wait for one whose guard they may not use", () => {
    const [bench, better] = two();
    bench.choose();
    const other = bench.choose(notAmong(better));
    assert.strictEqual(bench.succeed(other).usability, "complete");
  });

  it("do not wait for one with a worse guard", () => {
    const [bench] = two();
    const one = bench.choose();
    bench.choose();
    assert.strictEqual(bench.succeed(one).usability, "complete");
  });

  it("wait while a primary guard may be up", () => {
    const [bench] = two();
    const [primary = ""] = bench.primary();
    const choice = bench.choose();
    bench.now += 9 * minute + 59 * second;
    bench.set.noteInternet(bench.now);
    bench.now += 2 * second;
    // The primary guards' time has come.
    assert.strictEqual(bench.succeed(choice).usability, "waiting-for-better-guard");
    assert.strictEqual(bench.guard(primary).reachability, "maybe");
    const attempts = bench.primary().map(() => {
      const attempt = bench.choose();
      return [attempt.usability, bench.fail(attempt)];
    });
    assert.deepStrictEqual(attempts, [
      ["usable-on-completion", []],
      ["usable-on-completion", []],
      ["usable-on-completion", [choice.ticket]],
    ]);
  });

  it("do not wait for a primary guard that they may not use", () => {
    const bench = new Bench(viewOf(candidates(100))).settle();
    const choice = bench.choose(notAmong(...bench.primary()));
    assert.strictEqual(choice.usability, "usable-if-no-better-guard");
    assert.strictEqual(bench.succeed(choice).usability, "complete");
  });

  it("all with the same guard become complete together", () => {
    const [bench, better] = two();
    const one = bench.choose();
    const others = [bench.choose(notAmong()), bench.choose(notAmong(better))];
    const twin = bench.choose(notAmong(better));
    for (const other of [others[0], twin]) bench.succeed(other as typeof twin);
    assert.sameMembers([...bench.fail(one)], [others[0]?.ticket]);
  });

  it("are given up after NONPRIMARY_GUARD_IDLE_TIMEOUT", () => {
    const params = { "guard-nonprimary-guard-idle-timeout": 5 };
    const [bench] = two();
    bench.update(viewOf(candidates(100), { params }));
    bench.choose();
    const other = bench.choose();
    bench.succeed(other);
    bench.now += 5 * second;
    assert.deepStrictEqual(bench.tick(), { completed: [], expired: [] });
    assert.strictEqual(bench.set.nextTick(bench.now), bench.now + 1);
    bench.now += 1;
    assert.deepStrictEqual(bench.tick(), { completed: [], expired: [other.ticket] });
    assert.deepStrictEqual(bench.set.waiting(), []);
  });

  it("wait no longer when the clock is set back", () => {
    const [bench] = two();
    bench.choose();
    const other = bench.choose();
    bench.succeed(other);
    bench.now -= 1000 * minute;
    assert.deepStrictEqual(bench.tick().completed, []);
    bench.now += 15 * second + 1;
    assert.deepStrictEqual(bench.tick().completed, [other.ticket]);
  });

  it("are given up when another set is used", () => {
    const [bench] = two();
    bench.choose();
    const other = bench.choose();
    bench.succeed(other);
    assert.deepStrictEqual(bench.set.dropWaiting(), [other.ticket]);
    assert.strictEqual(bench.succeed(other).usability, "never");
  });
});

describe("which guard is preferred (guard-spec 4.3)", () => {
  const guard = (number: number, pending = false, lastTried?: number): SampledGuard => {
    const made = new SampledGuard({
      fingerprint: relay(number),
      nickname: "",
      addedOn: start,
      addedBy: "",
      unlistedSince: undefined,
      confirmedOn: undefined,
    });
    made.pending = pending;
    made.lastTried = lastTried;
    return made;
  };
  const [one, two] = [guard(1), guard(2)];
  const early = guard(3, true, start);
  const late = guard(4, true, start + second);

  it.each([
    ["a confirmed one to one that is not", one, early, [one], true],
    ["of confirmed ones the first", one, two, [one, two], true],
    ["one that is being tried to one that is not", late, two, [], true],
    ["of those being tried the one that was tried earlier", early, late, [], true],
    ["none of two that were neither used nor tried", one, two, [], false],
    ["none of two that were tried and failed", guard(5, false, start), guard(6, false, start + second), [], false],
    ["none to itself", one, one, [one], false],
  ] as const)("%s", (_, better, worse, confirmed, expected) => {
    assert.strictEqual(hasHigherPriority(better, worse, confirmed), expected);
    assert.isFalse(hasHigherPriority(worse, better, confirmed));
  });
});
