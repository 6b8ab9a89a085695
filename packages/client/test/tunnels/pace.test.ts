import { assert, describe, it } from "@effect/vitest";
import { Pace } from "../../src/tunnels/pace.ts";

describe("what is begun though nobody waits for it", () => {
  it("is begun each second at most, and ever more seldom while it fails, up to once a minute", () => {
    const pace = new Pace();
    const waits: Array<number> = [];
    let now = 0;
    for (let attempt = 0; attempt < 9; attempt++) {
      const next = pace.next(now, attempt > 1);
      assert.strictEqual(pace.retryAt, next);
      waits.push((next - now) / 1000);
      now = next;
    }
    assert.deepStrictEqual(waits, [1, 1, 2, 4, 8, 16, 32, 60, 60]);
    pace.calm();
    assert.strictEqual(pace.next(now, false) - now, 1_000);
  });
});
