import { assert, describe, it } from "@effect/vitest";
import { confluxParams, confluxParamTable, MAX_LEGS, maxLegLaunches, maxPrebuiltSets } from "../src/index.ts";

const consensus = (values: Readonly<Record<string, number>> = {}) => confluxParams((name) => values[name]);

describe("what the consensus says about conflux", () => {
  it("has the defaults of `tor`", () => {
    assert.deepStrictEqual(consensus(), {
      enabled: true,
      lowExitThreshold: 0.6,
      maxLinkedSets: 10,
      maxPrebuiltSets: 3,
      maxUnlinkedLegRetry: 3,
      legsPerSet: 2,
      sendPct: 100,
      drainPct: 0,
    });
  });

  it("is read by its names", () => {
    const values = {
      cfx_enabled: 0,
      cfx_low_exit_threshold: 6578,
      cfx_max_linked_set: 1,
      cfx_max_prebuilt_set: 5,
      cfx_max_unlinked_leg_retry: 6,
      cfx_num_legs_set: 3,
      cfx_send_pct: 50,
      cfx_drain_pct: 20,
    };
    assert.deepStrictEqual(Object.keys(values).sort(), Object.keys(confluxParamTable).sort());
    assert.deepStrictEqual(consensus(values), {
      enabled: false,
      lowExitThreshold: 0.6578,
      maxLinkedSets: 1,
      maxPrebuiltSets: 5,
      maxUnlinkedLegRetry: 6,
      legsPerSet: 3,
      sendPct: 50,
      drainPct: 20,
    });
  });

  it.each(Object.entries(confluxParamTable))(
    "%s has its default in its range",
    (_name, { min, max, default: usual }) => {
      assert.isAtLeast(usual, min);
      assert.isAtMost(usual, max);
    },
  );

  it("is moved into its ranges, and to the legs that a set may have", () => {
    assert.strictEqual(consensus({ cfx_max_linked_set: 1000 }).maxLinkedSets, 255);
    assert.strictEqual(consensus({ cfx_drain_pct: -5 }).drainPct, 0);
    assert.strictEqual(consensus({ cfx_num_legs_set: 200 }).legsPerSet, MAX_LEGS);
  });

  it.each([
    ["no exit has conflux", 0, 0],
    ["the share is none", Number.NaN, 0],
    ["few have", 0.59, 1],
    ["as many as asked for have", 0.6, 3],
    ["all have", 1, 3],
  ])("has a client build ahead by the exits: %s", (_what, share, sets) => {
    assert.strictEqual(maxPrebuiltSets(consensus(), share), sets);
    assert.strictEqual(maxPrebuiltSets(consensus({ cfx_enabled: 0 }), share), 0);
  });

  it("allows as many launches as there are legs, and the retries", () => {
    assert.strictEqual(maxLegLaunches(consensus()), 5);
    assert.strictEqual(maxLegLaunches(consensus({ cfx_num_legs_set: 3, cfx_max_unlinked_leg_retry: 0 })), 3);
  });
});
