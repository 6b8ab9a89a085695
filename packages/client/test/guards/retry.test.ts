import { assert, describe, it } from "@effect/vitest";
import { retryTime } from "../../src/guards/index.ts";
import { Bench, candidates, day, hour, minute, second, start, viewOf } from "./support.ts";

describe("when a guard that is down is tried again (guard-spec 4.5, A.1)", () => {
  const table: ReadonlyArray<readonly [failingFor: number, primary: number, other: number]> = [
    [0, 10 * minute, hour],
    [5 * hour, 10 * minute, hour],
    [6 * hour, 90 * minute, 4 * hour],
    [3 * day, 90 * minute, 4 * hour],
    [4 * day, 4 * hour, 18 * hour],
    [6 * day, 4 * hour, 18 * hour],
    [7 * day, 9 * hour, 36 * hour],
    [300 * day, 9 * hour, 36 * hour],
  ];

  it.each(table)("after %d ms of failing", (failingFor, primary, other) => {
    assert.strictEqual(retryTime(start - failingFor, start, true), start + primary);
    assert.strictEqual(retryTime(start - failingFor, start, false), start + other);
  });

  it("goes over to the longer step if the shorter would end after its time", () => {
    assert.strictEqual(retryTime(start, start + 6 * hour - 10 * minute, true), start + 6 * hour);
    assert.strictEqual(retryTime(start, start + 6 * hour - 10 * minute + 1, true), start + 6 * hour + 80 * minute + 1);
  });

  it("a primary guard is not chosen before, and is afterwards", () => {
    const bench = new Bench(viewOf(candidates(30))).settle();
    const [first = ""] = bench.primary();
    bench.fail(bench.choose());
    assert.strictEqual(bench.guard(first).retryAt, start + 10 * minute);
    assert.strictEqual(bench.set.nextRetry(bench.now), start + 10 * minute);
    bench.now += 10 * minute - 1;
    assert.notStrictEqual(bench.choose().guard.fingerprint, first);
    assert.strictEqual(bench.guard(first).reachability, "no");
    bench.now += 1;
    bench.tick();
    assert.strictEqual(bench.guard(first).reachability, "maybe");
    assert.strictEqual(bench.choose().guard.fingerprint, first);
  });

  it("another guard waits for an hour", () => {
    const bench = new Bench(viewOf(candidates(30))).settle();
    bench.loseAllPrimary();
    const other = bench.choose();
    assert.strictEqual(other.usability, "usable-if-no-better-guard");
    bench.fail(other);
    assert.strictEqual(bench.guard(other.guard.fingerprint).retryAt, start + hour);
  });

  it("counts from the last attempt, and how long from the first failure", () => {
    const bench = new Bench(viewOf(candidates(30), { params: { "guard-n-primary-guards": 1 } }));
    const [first = ""] = bench.primary();
    for (let round = 0; round < 37; round++) {
      const choice = bench.choose();
      assert.strictEqual(choice.guard.fingerprint, first);
      bench.now += 5 * second;
      bench.fail(choice);
      bench.now += 10 * minute - 5 * second;
    }
    // Six hours and ten minutes have passed.
    assert.strictEqual(bench.guard(first).failingSince, start + 5 * second);
    assert.strictEqual(bench.guard(first).retryAt, start + 6 * hour + 90 * minute);
  });

  it("begins anew after a success", () => {
    const bench = new Bench(viewOf(candidates(30), { params: { "guard-n-primary-guards": 1 } }));
    const [first = ""] = bench.primary();
    bench.fail(bench.choose());
    bench.now += 10 * minute;
    assert.strictEqual(bench.use(), first);
    assert.isUndefined(bench.guard(first).failingSince);
    bench.now += day;
    bench.fail(bench.choose());
    assert.strictEqual(bench.guard(first).retryAt, bench.now + 10 * minute);
  });

  it("does not take longer when the clock is set back", () => {
    const bench = new Bench(viewOf(candidates(30)));
    const [first = ""] = bench.primary();
    bench.fail(bench.choose());
    bench.now += 4 * minute;
    bench.tick();
    bench.now -= 30 * day;
    bench.tick();
    assert.strictEqual(bench.set.nextRetry(bench.now), bench.now + 6 * minute);
    bench.now += 6 * minute;
    assert.strictEqual(bench.choose().guard.fingerprint, first);
  });

  it("is never while none is down", () => {
    const bench = new Bench(viewOf(candidates(30)));
    assert.isUndefined(bench.set.nextRetry(bench.now));
    assert.isUndefined(bench.set.nextTick(bench.now));
  });
});

describe("once all guards are down (guard-spec 4.6, last step)", () => {
  const lose = (bench: Bench, count: number): void => {
    for (let round = 0; round < count; round++) bench.fail(bench.choose());
  };

  it("all are worth another attempt, after a time that doubles up to ten minutes", () => {
    const bench = new Bench(viewOf(candidates(3)));
    const delays: Array<number> = [];
    for (let round = 0; round < 9; round++) {
      lose(bench, 3);
      const { reason, retryAt } = bench.refuse();
      assert.strictEqual(reason, "all-down");
      delays.push(((retryAt as number) - bench.now) / second);
      // Asking again does not put it off.
      bench.now = (retryAt as number) - 1;
      assert.strictEqual(bench.refuse().retryAt, retryAt);
      assert.strictEqual(bench.set.nextTick(bench.now), retryAt);
      bench.now += 1;
      bench.tick();
      assert.isTrue(bench.snapshot().every(({ reachability }) => reachability === "maybe"));
    }
    assert.deepStrictEqual(delays, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
  });

  it("the time begins anew when one is reached", () => {
    const bench = new Bench(viewOf(candidates(2)));
    lose(bench, 2);
    bench.now = bench.refuse().retryAt as number;
    lose(bench, 2);
    bench.now = bench.refuse().retryAt as number;
    bench.use();
    lose(bench, 2);
    assert.strictEqual(bench.refuse().retryAt, bench.now + 10 * second);
  });

  it("the time does not begin anew by one that was up all along", () => {
    const bench = new Bench(viewOf(candidates(2)));
    const restrictions = [{ kind: "not-among" as const, relays: new Set([bench.use()]) }];
    const delays = [1, 2, 3].map(() => {
      bench.use();
      bench.fail(bench.choose({ restrictions }));
      const wait = (bench.refuse({ restrictions }).retryAt as number) - bench.now;
      bench.now += wait;
      return wait / second;
    });
    assert.deepStrictEqual(delays, [10, 20, 40]);
  });

  it("goes for those that a circuit may use, where the others are up", () => {
    const bench = new Bench(viewOf(candidates(2)));
    const up = bench.use();
    const restrictions = [{ kind: "not-among" as const, relays: new Set([up]) }];
    bench.fail(bench.choose({ restrictions }));
    const { reason, retryAt, counts } = bench.refuse({ restrictions });
    assert.strictEqual(reason, "all-down");
    assert.deepStrictEqual(counts, { sampled: 2, filtered: 2, permitted: 1, usable: 0 });
    bench.now = retryAt as number;
    assert.notStrictEqual(bench.choose({ restrictions }).guard.fingerprint, up);
  });

  it("does not take longer when the clock is set back", () => {
    const bench = new Bench(viewOf(candidates(1)));
    lose(bench, 1);
    bench.refuse();
    bench.now -= day;
    assert.strictEqual(bench.set.nextRetry(bench.now), bench.now + 10 * second);
  });
});
