import { assert, describe, it } from "@effect/vitest";
import { flowParamTable } from "../../src/flow/param-table.ts";
import { flowParams } from "../../src/flow/params.ts";
import { defaults } from "./support.ts";

describe("flowParams", () => {
  // Arti, crates/tor-proto/src/stream/flow_ctrl/params.rs: RELAY_PAYLOAD_SIZE_MIN and _MAX of `tor` 0.4.9.
  it("compare_to_ctor_values", () => {
    const one = flowParams(() => 1);
    assert.strictEqual(one.xoffClientBytes, 509 - (16 + 1 + 2 + 2));
    assert.strictEqual(one.xoffExitBytes, 509 - (16 + 1 + 2 + 2));
    assert.strictEqual(one.xonRateBytes, 509 - (1 + 2 + 2 + 4 + 2));
  });

  it("has the defaults of tor 0.4.9 where the consensus says nothing", () => {
    assert.deepStrictEqual(defaults, {
      xoffClientBytes: 244_000,
      xoffExitBytes: 244_000,
      xonRateBytes: 249_000,
      xonChangePct: 25,
      xonEwmaCount: 2,
    });
  });

  it("reads each parameter by its name and takes what is out of range for the nearest bound", () => {
    const consensus: Record<string, number> = { cc_xoff_client: 0, cc_xoff_exit: 99_999, cc_xon_ewma_cnt: 5 };
    const params = flowParams((name) => consensus[name]);
    assert.strictEqual(params.xoffClientBytes, 488);
    assert.strictEqual(params.xoffExitBytes, 4_880_000);
    assert.strictEqual(params.xonEwmaCount, 5);
  });

  it("has every default within its range", () => {
    for (const [name, range] of Object.entries(flowParamTable)) {
      assert.isAtLeast(range.default, range.min, name);
      assert.isAtMost(range.default, range.max, name);
    }
  });
});
