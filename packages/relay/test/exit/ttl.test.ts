import { assert, describe, it } from "@effect/vitest";
import { clipTtl, fuzzyTtl } from "../../src/exit/ttl.ts";

describe("times to live", () => {
  it("are one of two", () => {
    for (const ttl of [0, 1, 60, 299]) assert.strictEqual(clipTtl(ttl), 300);
    for (const ttl of [300, 301, 3_600, 86_400, 0xffff_ffff]) assert.strictEqual(clipTtl(ttl), 3_600);
  });

  it("are moved by chance by up to four minutes either way", () => {
    const limits: Array<number> = [];
    const draw = (drawn: number) => (limit: number) => {
      limits.push(limit);
      return drawn;
    };
    assert.strictEqual(fuzzyTtl(0, draw(0)), 60);
    assert.strictEqual(fuzzyTtl(0, draw(240)), 300);
    assert.strictEqual(fuzzyTtl(0, draw(480)), 540);
    assert.strictEqual(fuzzyTtl(300, draw(0)), 3_360);
    assert.strictEqual(fuzzyTtl(300, draw(480)), 3_840);
    assert.deepStrictEqual([...new Set(limits)], [481]);
  });
});
