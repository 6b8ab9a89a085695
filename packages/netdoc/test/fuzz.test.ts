import { describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import { targets as diffs } from "../fuzz/consensus-diff.fuzz.ts";
import { targets as documents } from "../fuzz/documents.fuzz.ts";
import { targets as items } from "../fuzz/items.fuzz.ts";
import { targets as policy } from "../fuzz/policy.fuzz.ts";

describe("a short run of each fuzz target", () => {
  it.each([...items, ...documents, ...diffs, ...policy])("$name", ({ run }) => {
    const random = new Random(1);
    for (let iteration = 0; iteration < 1500; iteration++) run(random);
  });
});
