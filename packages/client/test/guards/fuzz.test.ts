import { describe, it } from "@effect/vitest";
import { Random } from "../../../../test/support/fuzz.ts";
import { targets } from "../../fuzz/guards.fuzz.ts";

describe("a short run of each fuzz target", () => {
  it.each(targets)("$name", ({ run }) => {
    const random = new Random(1);
    for (let iteration = 0; iteration < 1000; iteration++) run(random);
  });
});
