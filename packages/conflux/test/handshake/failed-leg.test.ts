import { assert, describe, it } from "@effect/vitest";
import { afterFailedLeg, confluxParams } from "../../src/index.ts";

const params = confluxParams(() => undefined);

describe("a leg that ends before it has linked", () => {
  // launch_leg_is_allowed: 2 legs and 3 retries.
  it.each([
    ["the first of two", 1, 2, "relaunch"],
    ["the last launch but one", 1, 4, "relaunch"],
    ["the last launch", 1, 5, "go-on"],
    ["none is left, whatever may still be launched", 0, 2, "end"],
    ["none is left", 0, 5, "end"],
  ] as const)("%s", (_what, left, launched, then) => {
    assert.strictEqual(afterFailedLeg(left, launched, params), then);
  });

  it("is not launched again where the consensus allows no retries", () => {
    assert.strictEqual(afterFailedLeg(1, 2, { legsPerSet: 2, maxUnlinkedLegRetry: 0 }), "go-on");
  });
});
