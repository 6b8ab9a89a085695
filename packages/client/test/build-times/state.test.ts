import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random as Generator } from "../../../../test/support/fuzz.ts";
import {
  BuildTimeStateError,
  type BuildTimeStateProblem,
  BuildTimes,
  readBuildTimeState,
} from "../../src/build-times/index.ts";
import { params, seeded } from "./support.ts";

const refusal = (value: unknown): BuildTimeStateError => {
  try {
    readBuildTimeState(value);
  } catch (error) {
    if (error instanceof BuildTimeStateError) return error;
    throw error;
  }
  return assert.fail("nothing was refused");
};

describe("build times over a restart (path-spec 2.4.2)", () => {
  it("come back as their histogram, and give the same timeouts to a bin's width", () => {
    const buildTimes = new BuildTimes();
    for (let index = 0; index < 300; index++) buildTimes.thirdHopDone(300 + ((index * 37) % 400));
    for (let index = 0; index < 17; index++) buildTimes.circuitTimedOut(1);
    const state = readBuildTimeState(JSON.parse(JSON.stringify(buildTimes.toState())));
    const again = BuildTimes.fromState(state, params(), seeded(1));
    assert.strictEqual(again.count, 300);
    assert.deepStrictEqual(again.toState(), buildTimes.toState());
    assert.approximately(again.timeouts().timeoutMs, buildTimes.timeouts().timeoutMs, 10);
    // How the newest circuits ended is not kept (path-spec 2.4.5).
    assert.strictEqual(again.recentTimeouts, 0);
  });

  it("leave in no order of theirs: short and long make room for newer ones evenly", () => {
    const state = {
      version: 1,
      bins: [
        [105, 500],
        [905, 500],
      ],
    } as const;
    const buildTimes = BuildTimes.fromState(state, params(), seeded(2));
    for (let index = 0; index < 400; index++) buildTimes.thirdHopDone(5000);
    const left = new Map(buildTimes.toState().bins);
    // 300 of each are expected, with a standard deviation of 8: five of them are missed by chance once in 1.7 million.
    assert.approximately(left.get(105) ?? 0, 300, 40);
    assert.strictEqual((left.get(105) ?? 0) + (left.get(905) ?? 0), 600);
  });

  it("are not taken up while the consensus disables learning", () => {
    const state = readBuildTimeState({ version: 1, bins: [[105, 500]] });
    assert.strictEqual(BuildTimes.fromState(state, params({ cbtdisabled: 1 }), seeded(3)).count, 0);
  });

  it.prop("come back whatever they were", { seed: Schema.Int }, ({ seed }) => {
    const random = new Generator(seed);
    const buildTimes = new BuildTimes();
    for (let index = random.below(1500); index > 0; index--) buildTimes.thirdHopDone(random.below(100_000));
    const state = buildTimes.toState();
    assert.deepStrictEqual(readBuildTimeState(JSON.parse(JSON.stringify(state))), state);
    assert.deepStrictEqual(BuildTimes.fromState(state, params(), seeded(seed)).toState(), state);
  });
});

describe("what is no history of build times is refused", () => {
  const tooManyBins = Array.from({ length: 1001 }, (_, index) => [index * 10 + 5, 1]);
  it.each<readonly [name: string, value: unknown, problem: BuildTimeStateProblem, path: string]>([
    ["nothing", undefined, "type", ""],
    ["null", null, "type", ""],
    ["an array", [], "type", ""],
    ["no version", { bins: [] }, "version", "version"],
    ["a later version", { version: 2, bins: [] }, "version", "version"],
    ["no bins", { version: 1 }, "type", "bins"],
    ["a bin that is none", { version: 1, bins: [[5, 1], 7] }, "type", "bins[1]"],
    ["a bin of three", { version: 1, bins: [[5, 1, 1]] }, "type", "bins[0]"],
    ["a time as text", { version: 1, bins: [["5", 1]] }, "type", "bins[0][0]"],
    ["a count as text", { version: 1, bins: [[5, "1"]] }, "type", "bins[0][1]"],
    ["a time below zero", { version: 1, bins: [[-5, 1]] }, "range", "bins[0][0]"],
    ["a time that is endless", { version: 1, bins: [[Number.POSITIVE_INFINITY, 1]] }, "range", "bins[0][0]"],
    ["a time beyond 32 bits", { version: 1, bins: [[2_147_483_655, 1]] }, "range", "bins[0][0]"],
    ["a time that is no bin's middle", { version: 1, bins: [[10, 1]] }, "range", "bins[0][0]"],
    ["an empty bin", { version: 1, bins: [[5, 0]] }, "range", "bins[0][1]"],
    ["a part of a build time", { version: 1, bins: [[5, 1.5]] }, "range", "bins[0][1]"],
    ["a bin fuller than the history", { version: 1, bins: [[5, 1001]] }, "range", "bins[0][1]"],
    [
      "bins in descending order",
      {
        version: 1,
        bins: [
          [15, 1],
          [5, 1],
        ],
      },
      "order",
      "bins[1][0]",
    ],
    [
      "a bin twice",
      {
        version: 1,
        bins: [
          [5, 1],
          [5, 1],
        ],
      },
      "order",
      "bins[1][0]",
    ],
    [
      "too many build times",
      {
        version: 1,
        bins: [
          [5, 600],
          [15, 401],
        ],
      },
      "too-many",
      "bins[1][1]",
    ],
    ["too many bins", { version: 1, bins: tooManyBins }, "too-many", "bins"],
  ])("%s", (_, value, problem, path) => {
    const error = refusal(value);
    assert.strictEqual(error._tag, "BuildTimeStateError");
    assert.deepStrictEqual([error.problem, error.path], [problem, path]);
    assert.include(error.message, path);
  });
});
