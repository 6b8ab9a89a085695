import { readFileSync } from "node:fs";
import { assert, describe, it } from "@effect/vitest";
import { earliestArrival } from "../../../../packages/conflux/test/examples/earliest-arrival.ts";
import { simulate } from "../simulate.ts";

const read = (path: string): string => readFileSync(new URL(`../../../../${path}`, import.meta.url), "utf8");

const EXAMPLES = [
  "packages/conflux/test/examples/earliest-arrival.ts",
  "packages/client/test/examples/own-scheduler.ts",
];

describe("the scheduler of docs/writing-a-scheduler.md", () => {
  it("is what runs here, in less than 50 lines", () => {
    const blocks = [...read("docs/writing-a-scheduler.md").matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block);
    assert.deepStrictEqual(blocks, EXAMPLES.map(read));
    for (const block of blocks) assert.isBelow(block?.split("\n").length ?? 0, 50);
  });

  it("breaks no set", async () => {
    for (let seed = 0; seed < 100; seed++) {
      const { complaints } = await simulate(seed, earliestArrival);
      assert.deepStrictEqual(complaints, [], `seed ${seed}`);
    }
  });

  it("chooses: the same seed goes another way", async () => {
    const seeds = Array.from({ length: 20 }, (_, seed) => seed);
    const differs = await Promise.all(
      seeds.map(async (seed) => (await simulate(seed)).hash !== (await simulate(seed, earliestArrival)).hash),
    );
    assert.isTrue(differs.some(Boolean));
  });
});
