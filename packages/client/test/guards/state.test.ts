import { assert, describe, it } from "@effect/vitest";
import {
  formatGuardState,
  type GuardFaultProblem,
  GuardSets,
  GuardStateError,
  parseGuardState,
  readGuardState,
} from "../../src/guards/index.ts";
import { GUARD_FAULT_LIMIT, GUARD_STATE_LIMIT_BYTES, SAMPLE_LIMIT } from "../../src/guards/limits.ts";
import { Bench, candidates, day, relay, seeded, start, viewOf } from "./support.ts";

const entry = (number: number, more: Readonly<Record<string, unknown>> = {}) => ({
  fingerprint: relay(number),
  nickname: `guard${number}`,
  addedOn: "2026-01-02T03:04:05Z",
  addedBy: "1.2.3",
  ...more,
});

const stateOf = (...guards: ReadonlyArray<unknown>) => ({ version: 1, samples: { default: guards, restricted: [] } });

const problems = (state: unknown): ReadonlyArray<readonly [number | undefined, GuardFaultProblem]> =>
  readGuardState(state).faults.map(({ index, problem }) => [index, problem]);

const names = (state: unknown): ReadonlyArray<string> =>
  readGuardState(state).default.guards.map(({ fingerprint }) => fingerprint);

describe("the state that is kept", () => {
  it("is plain data with dates in whole seconds", () => {
    const bench = new Bench(viewOf(candidates(3)), { seed: 3 });
    bench.use();
    bench.update(viewOf(candidates(2)));
    const state = bench.set.state();
    assert.deepStrictEqual(JSON.parse(JSON.stringify(state)), state);
    const date = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
    for (const guard of state) assert.match(guard.addedOn, date);
    assert.match(state.find(({ fingerprint }) => fingerprint === relay(3))?.unlistedSince as string, date);
    const confirmed = state.filter(({ confirmedOn }) => confirmedOn !== undefined);
    assert.strictEqual(confirmed.length, 1);
    assert.strictEqual(confirmed[0]?.confirmedPlace, 0);
  });

  it("is the same after it was written and read, in both samples", () => {
    const sets = new GuardSets({ version: "1.2.3" });
    const random = seeded(9);
    sets.update(viewOf(candidates(200)), start, random);
    const { ticket } = sets.active.choose({ purpose: "data", now: start, random });
    sets.of(ticket).succeeded(ticket, start, random);
    const text = formatGuardState(sets.state());
    const loaded = parseGuardState(text);
    assert.deepStrictEqual(loaded.faults, []);
    assert.strictEqual(formatGuardState(new GuardSets({ loaded, version: "9" }).state()), text);
  });

  it("carries the order of the sample and of the confirmed guards over a restart, and nothing that is only known for now", () => {
    const before = new Bench(viewOf(candidates(100))).settle();
    before.fail(before.choose());
    const after = new Bench(before.view, { stored: before.set.state(), seed: 77 });
    assert.deepStrictEqual(after.sampled(), before.sampled());
    assert.deepStrictEqual(after.confirmed(), before.confirmed());
    assert.deepStrictEqual(after.primary(), before.primary());
    assert.isTrue(after.snapshot().every(({ reachability }) => reachability === "maybe"));
  });

  it("tells by its revision when it has to be written", () => {
    const bench = new Bench(viewOf(candidates(30)));
    const sampled = bench.set.revision;
    assert.isAbove(sampled, 0);
    bench.update();
    const choice = bench.choose();
    assert.strictEqual(bench.set.revision, sampled);
    bench.succeed(choice);
    const confirmed = bench.set.revision;
    assert.isAbove(confirmed, sampled);
    bench.succeed(bench.choose());
    assert.strictEqual(bench.set.revision, confirmed);
    bench.update(viewOf([]));
    assert.isAbove(bench.set.revision, confirmed);
    const unlisted = bench.set.revision;
    bench.now += 100 * day;
    bench.update();
    assert.isAbove(bench.set.revision, unlisted);
  });

  it.each([
    ["bad-shape", "null"],
    ["bad-shape", "[]"],
    ["bad-shape", '{"version":"1"}'],
    ["bad-shape", '{"version":1}'],
    ["bad-shape", '{"version":1,"samples":7}'],
    ["unknown-version", '{"version":2,"samples":{}}'],
    ["not-json", '{"version":1,'],
    ["too-large", " ".repeat(GUARD_STATE_LIMIT_BYTES + 1)],
  ] as const)("cannot be used at all: %s", (problem, text) => {
    try {
      parseGuardState(text);
    } catch (error) {
      assert.instanceOf(error, GuardStateError);
      assert.strictEqual(error._tag, "GuardStateError");
      return assert.strictEqual(error.problem, problem);
    }
    assert.fail("it was used");
  });

  it.each([
    ["not-an-object", 7],
    ["not-an-object", [entry(2)]],
    ["bad-fingerprint", entry(2, { fingerprint: "ABCD" })],
    ["bad-fingerprint", entry(2, { fingerprint: 5 })],
    ["duplicate", entry(1)],
    ["bad-added-on", entry(2, { addedOn: "yesterday" })],
    ["bad-added-on", entry(2, { addedOn: "2026-02-31T00:00:00Z" })],
    ["bad-added-on", entry(2, { addedOn: undefined })],
  ] as const)("loses an entry and nothing else: %s", (problem, damaged) => {
    const state = stateOf(entry(1), damaged, entry(3));
    assert.deepStrictEqual(problems(state), [[1, problem]]);
    assert.deepStrictEqual(names(state), [relay(1), relay(3)]);
  });

  it.each([
    ["bad-nickname", { nickname: "two words" }],
    ["bad-nickname", { nickname: undefined }],
    ["bad-added-by", { addedBy: "x".repeat(65) }],
    ["bad-unlisted-since", { unlistedSince: 12 }],
    ["bad-confirmed", { confirmedOn: "2026-01-02T03:04:05Z" }],
    ["bad-confirmed", { confirmedPlace: 0 }],
    ["bad-confirmed", { confirmedOn: "never", confirmedPlace: 0 }],
    ["bad-confirmed", { confirmedOn: "2026-01-02T03:04:05Z", confirmedPlace: -1 }],
    ["bad-confirmed", { confirmedOn: "2026-01-02T03:04:05Z", confirmedPlace: 0.5 }],
  ] as const)("loses a part of an entry and not the guard: %s", (problem, damage) => {
    const state = stateOf(entry(1), entry(2, damage));
    assert.deepStrictEqual(problems(state), [[1, problem]]);
    assert.deepStrictEqual(names(state), [relay(1), relay(2)]);
    assert.deepStrictEqual(readGuardState(state).default.confirmed, []);
  });

  it("loses a sample and not the other", () => {
    const {
      default: common,
      restricted,
      faults,
    } = readGuardState({
      version: 1,
      samples: { default: "gone", restricted: [entry(4)] },
    });
    assert.deepStrictEqual(faults, [{ sample: "default", index: undefined, problem: "not-a-list" }]);
    assert.deepStrictEqual(common, { guards: [], confirmed: [] });
    assert.strictEqual(restricted.guards.length, 1);
  });

  it("orders confirmed guards by their places, with gaps and twice the same place", () => {
    const confirmedOn = "2026-01-02T03:04:05Z";
    const places = [5, 2, 5, 0].map((confirmedPlace, index) => entry(index + 1, { confirmedOn, confirmedPlace }));
    assert.deepStrictEqual(readGuardState(stateOf(...places)).default.confirmed, [
      relay(4),
      relay(2),
      relay(1),
      relay(3),
    ]);
  });

  it("is bounded, and so is what is told of its faults", () => {
    const many = Array.from({ length: SAMPLE_LIMIT + 10 }, (_, index) => entry(index + 1));
    assert.strictEqual(names(stateOf(...many)).length, SAMPLE_LIMIT);
    assert.deepStrictEqual(problems(stateOf(...many)), [[SAMPLE_LIMIT, "too-many"]]);
    assert.strictEqual(problems(stateOf(...Array.from({ length: 1000 }, () => 0))).length, GUARD_FAULT_LIMIT);
  });

  it("fits into its limit even where both samples are full", () => {
    const full = Array.from({ length: SAMPLE_LIMIT }, (_, index) =>
      entry(index + 1, {
        nickname: "n".repeat(19),
        addedBy: "v".repeat(64),
        unlistedSince: "2026-01-02T03:04:05Z",
        confirmedOn: "2026-01-02T03:04:05Z",
        confirmedPlace: index,
      }),
    );
    const loaded = readGuardState({ version: 1, samples: { default: full, restricted: full } });
    const text = formatGuardState(new GuardSets({ loaded, version: "1" }).state());
    assert.isBelow(Buffer.byteLength(text), GUARD_STATE_LIMIT_BYTES / 2);
    assert.deepStrictEqual(parseGuardState(text), loaded);
  });
});
