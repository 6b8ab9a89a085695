import { assert, describe, it } from "@effect/vitest";
import { QuietLog } from "../src/index.ts";

describe("QuietLog", () => {
  it("speaks at once, and then of all that has happened since, once in an interval", () => {
    const said: Array<string> = [];
    const clock = { now: 5_000 };
    const log = new QuietLog<"a" | "b">({
      intervalMillis: 1_000,
      now: () => clock.now,
      say: (event, times) => said.push(`${event} ${times}`),
    });
    log.note("a");
    for (let count = 0; count < 10; count++) log.note("a");
    log.note("b");
    assert.deepStrictEqual(said, ["a 1", "b 1"]);
    clock.now += 999;
    log.note("a");
    clock.now += 1;
    log.note("a");
    log.note("a");
    assert.deepStrictEqual(said, ["a 1", "b 1", "a 12"]);
    clock.now += 50_000;
    log.note("a");
    assert.deepStrictEqual(said.at(-1), "a 2");
  });
});
