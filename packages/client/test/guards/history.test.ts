import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random } from "../../../../test/support/fuzz.ts";
import { History, knownParams } from "./history.ts";

describe("over random histories", () => {
  it.prop("what guard-spec promises holds after each step", { seed: Schema.Int }, ({ seed }) => {
    new History(new Random(seed)).run(60);
  });

  it("the same happens for the same seed", () => {
    const run = (seed: number): ReadonlyArray<string> => {
      const history = new History(new Random(seed));
      history.run(200);
      return history.log;
    };
    assert.deepStrictEqual(run(4), run(4));
    assert.notDeepEqual(run(4), run(5));
  });

  it("everything happens that can", () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 400; seed++) {
      const history = new History(new Random(seed));
      history.run(80);
      for (const word of history.log) if (word.length < 40) seen.add(word);
    }
    const all = ["all-down", "all-filtered", "all-restricted", "missing-descriptors", "none-sampled"];
    assert.sameMembers([...seen], [...all, "complete", "waiting-for-better-guard", "never"]);
    assert.isTrue(knownParams());
  });
});
