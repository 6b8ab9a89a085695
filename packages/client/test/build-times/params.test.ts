import { assert, describe, it } from "@effect/vitest";
import { buildTimeParams } from "../../src/build-times/index.ts";
import { params } from "./support.ts";

/** path-spec 2.4.6: the name there, the name here, what one unit is here, the default, the least, the most. */
const table = [
  ["cbtnummodes", "modes", 1, 10, 1, 20],
  ["cbtrecentcount", "recentCount", 1, 20, 3, 1000],
  ["cbtmaxtimeouts", "maxTimeouts", 1, 18, 3, 10_000],
  ["cbtmincircs", "minCircuits", 1, 100, 1, 10_000],
  ["cbtquantile", "quantile", 0.01, 80, 10, 99],
  ["cbttestfreq", "testEveryMs", 1000, 10, 1, 2_147_483_647],
  ["cbtmintimeout", "minTimeoutMs", 1, 10, 10, 2_147_483_647],
  ["cbtlearntimeout", "learnTimeoutMs", 1000, 180, 10, 60_000],
  ["cbtmaxopencircs", "maxOpenCircuits", 1, 10, 0, 14],
  // The bounds of these two depend on others; here on their defaults.
  ["cbtclosequantile", "closeQuantile", 0.01, 99, 80, 99],
  ["cbtinitialtimeout", "initialTimeoutMs", 1, 60_000, 10, 2_147_483_647],
] as const;

describe("the parameters of path-spec 2.4.6", () => {
  it.each(table)("%s has its default and its bounds", (name, field, unit, fallback, min, max) => {
    const value = (given?: number) => buildTimeParams(params(given === undefined ? {} : { [name]: given }))[field];
    assert.approximately(value(), fallback * unit, 1e-9);
    assert.approximately(value(min - 1), min * unit, 1e-9);
    assert.approximately(value(min), min * unit, 1e-9);
    assert.approximately(value(max), max * unit, 1e-9);
    assert.approximately(value(max + 1), max * unit, 1e-9);
    assert.approximately(value(Number.NaN), fallback * unit, 1e-9);
  });

  it("cbtdisabled is yes or no", () => {
    assert.deepStrictEqual(
      [{}, { cbtdisabled: 0 }, { cbtdisabled: 1 }, { cbtdisabled: 7 }, { cbtdisabled: -1 }].map(
        (values) => buildTimeParams(params(values)).disabled,
      ),
      [false, false, true, true, false],
    );
  });

  it("the close quantile is not below the quantile", () => {
    assert.strictEqual(buildTimeParams(params({ cbtquantile: 95, cbtclosequantile: 90 })).closeQuantile, 0.95);
  });

  it("the initial timeout is not below the least", () => {
    assert.strictEqual(
      buildTimeParams(params({ cbtmintimeout: 5000, cbtinitialtimeout: 3000 })).initialTimeoutMs,
      5000,
    );
  });
});
