import { NetParams } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { type GuardParams, guardParams, maxSampleSize } from "../../src/guards/index.ts";
import { SAMPLE_LIMIT } from "../../src/guards/limits.ts";
import { day, second } from "./support.ts";

const int32 = 2 ** 31 - 1;

/** param-spec 11: default, least and greatest value as they stand there, the unit here, and this program's own bound. */
const table: ReadonlyArray<readonly [keyof GuardParams, string, number, number, unit: number, bound?: number]> = [
  ["maxSampleThreshold", "guard-max-sample-threshold-percent", 20, 100, 0.01],
  ["maxSampleSize", "guard-max-sample-size", 60, int32, 1, SAMPLE_LIMIT],
  ["minFilteredSample", "guard-min-filtered-sample-size", 20, int32, 1, SAMPLE_LIMIT],
  ["lifetimeMillis", "guard-lifetime-days", 120, 3650, day],
  ["confirmedMinLifetimeMillis", "guard-confirmed-min-lifetime-days", 60, 3650, day],
  ["removeUnlistedAfterMillis", "guard-remove-unlisted-guards-after-days", 20, 3650, day],
  ["primaryGuards", "guard-n-primary-guards", 3, int32, 1],
  ["primaryGuardsToUse", "guard-n-primary-guards-to-use", 1, int32, 1],
  ["primaryDirectoryGuardsToUse", "guard-n-primary-dir-guards-to-use", 3, int32, 1],
  ["internetLikelyDownMillis", "guard-internet-likely-down-interval", 600, int32, second],
  ["nonprimaryConnectTimeoutMillis", "guard-nonprimary-guard-connect-timeout", 15, int32, second],
  ["nonprimaryIdleTimeoutMillis", "guard-nonprimary-guard-idle-timeout", 600, int32, second],
  ["meaningfulRestriction", "guard-meaningful-restriction-percent", 20, 100, 0.01],
  ["extremeRestriction", "guard-extreme-restriction-percent", 1, 100, 0.01],
];

describe("parameters (guard-spec A.1, param-spec 11)", () => {
  for (const [field, name, byDefault, greatest, unit, bound = greatest] of table)
    it(`${field} is ${name}`, () => {
      const get = (value?: number): number =>
        guardParams(new NetParams(new Map(value === undefined ? [] : [[name, value]])))[field];
      assert.closeTo(get(), byDefault * unit, 1e-9);
      assert.closeTo(get(0), unit, 1e-9);
      assert.closeTo(get(2), 2 * unit, 1e-9);
      assert.closeTo(get(greatest), bound * unit, 1e-9);
      assert.closeTo(get(greatest + 1), bound * unit, 1e-9);
    });

  it("are all in the table", () => {
    assert.sameMembers(
      table.map(([field]) => field),
      Object.keys(guardParams(NetParams.none)) as Array<keyof GuardParams>,
    );
  });

  it("bound the sample (guard-spec 4.1)", () => {
    const params = guardParams(NetParams.none);
    assert.deepStrictEqual(
      [0, 50, 100, 204, 299, 300, 8000].map((listed) => maxSampleSize(params, listed)),
      [20, 20, 20, 40, 59, 60, 60],
    );
  });
});
