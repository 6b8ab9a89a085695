import { assert, describe, it } from "@effect/vitest";
import { Effect, Schema } from "effect";
import { DEADLINE_MILLIS, type GraphRun, planGraph, runGraph, TICK_MILLIS } from "./support/random-graph.ts";

/** What must hold after every end of every group. */
const assertTornDown = (run: GraphRun): void => {
  const overdue = [...run.end.overdue];
  const ended = [...run.ended, ...overdue];
  assert.sameMembers(ended, [...run.started], "every reactor that was started has ended once, or is named as overdue");
  for (const count of run.releases) assert.strictEqual(count, 1, "what was acquired is released once");
  assert.deepStrictEqual(run.after.topology, { groups: [], supervisors: [], routines: [], links: [] });
  assert.strictEqual(run.after.openLinks, 0, "every link is closed, at both ends");
  assert.isTrue(run.after.startRefused, "no reactor can be started any more");
  assert.notStrictEqual(run.after.scopeState, "Open", "nothing is left in the scope of the group's maker");
  assert.isAtMost(run.teardownMillis, DEADLINE_MILLIS + TICK_MILLIS, "the teardown keeps its deadline");
};

/** What must hold for every link, whatever happened: one item may be lost with the group, the one that it held. */
const assertLinksKept = (run: GraphRun): void => {
  for (const { offered, accepted, taken } of run.links) {
    assert.strictEqual(new Set(taken).size, taken.length, "nothing is delivered twice");
    assert.isEmpty(taken.filter((item) => !offered.includes(item)));
    assert.isAtMost(accepted.filter((item) => !taken.includes(item)).length, 1);
  }
};

describe("random graphs", () => {
  it.effect.prop(
    "deliver every item when nothing goes wrong, and end with their last reactor",
    { seed: Schema.Int },
    ({ seed }) =>
      Effect.gen(function* () {
        const run = yield* runGraph(planGraph(seed, true));
        assertTornDown(run);
        assert.deepStrictEqual([run.end.overdue, run.end.overdueReleases, run.end.releaseFailures], [[], 0, []]);
        assert.sameMembers([...run.collected], [...run.emitted]);
        for (const { accepted, taken } of run.links) assert.sameMembers(taken, accepted);
        const { cause } = run.end;
        assert.deepStrictEqual([cause._tag === "ReactorEnded" ? cause.reactor : cause._tag], [run.causes[0]]);
      }),
    { arbitrary: { runs: 150 }, timeout: 60_000 },
  );

  it.effect.prop(
    "are torn down wholly, once and in time wherever they fail, for the first cause",
    { seed: Schema.Int },
    ({ seed }) =>
      Effect.gen(function* () {
        const run = yield* runGraph(planGraph(seed, false));
        assertTornDown(run);
        assertLinksKept(run);
        const { cause } = run.end;
        assert.strictEqual(cause._tag === "ReactorEnded" ? cause.reactor : cause._tag, run.causes[0]);
      }),
    { arbitrary: { runs: 300 }, timeout: 60_000 },
  );
});
