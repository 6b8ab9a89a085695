import { assert, describe, it } from "@effect/vitest";
import { congestionParamTable } from "../../src/congestion/param-table.ts";
import { consensus, defaults } from "./support.ts";

describe("congestionParams", () => {
  it("has the defaults of tor 0.4.8 where the consensus says nothing", () => {
    const params = defaults("exit");
    assert.strictEqual(params.preferred, "vegas");
    assert.deepStrictEqual(params.fixedWindow, {
      algorithm: "fixed-window",
      window: 1000,
      sendmeEmitVersion: 1,
      sendmeAcceptMinVersion: 0,
    });
    assert.deepInclude(params.vegas, {
      sendmeInc: 31,
      cwndInit: 124,
      cwndMin: 124,
      cwndInc: 1,
      cwndIncRate: 31,
      cwndIncPctSlowStart: 100,
      cwndFullGap: 4,
      cwndFullMinPct: 25,
      cwndFullPerCwnd: true,
      slowStartMax: 5000,
    });
    assert.strictEqual(params.queueHigh, 256);
    assert.strictEqual(params.queueLow, 10);
  });

  it("has thresholds for each kind of path", () => {
    const thresholds = (path: "exit" | "onion" | "sbws") => {
      const { alpha, beta, gamma, delta, slowStartCap } = defaults(path).vegas;
      return [alpha, beta, gamma, delta, slowStartCap];
    };
    assert.deepStrictEqual(thresholds("exit"), [186, 248, 186, 310, 600]);
    assert.deepStrictEqual(thresholds("onion"), [186, 372, 248, 434, 475]);
    assert.deepStrictEqual(thresholds("sbws"), [93, 155, 124, 248, 400]);
  });

  it("reads each parameter by its name", () => {
    assert.strictEqual(consensus({ cc_vegas_alpha_onion: 77 }, "onion").vegas.alpha, 77);
    assert.strictEqual(consensus({ cc_vegas_alpha_onion: 77 }, "exit").vegas.alpha, 186);
    assert.strictEqual(consensus({ cc_sscap_sbws: 150 }, "sbws").vegas.slowStartCap, 150);
    assert.strictEqual(consensus({ cc_alg: 0 }).preferred, "fixed-window");
    assert.strictEqual(consensus({ cc_alg: 1 }).preferred, "vegas");
    assert.strictEqual(consensus({ circwindow: 500 }).fixedWindow.window, 500);
    assert.strictEqual(consensus({ sendme_emit_min_version: 0 }).vegas.sendmeEmitVersion, 0);
    assert.strictEqual(consensus({ sendme_emit_min_version: 7 }).vegas.sendmeEmitVersion, 1);
    assert.isFalse(consensus({ cc_cwnd_full_per_cwnd: 0 }).vegas.cwndFullPerCwnd);
  });

  it("takes a value out of range for the nearest bound", () => {
    assert.strictEqual(consensus({ cc_sendme_inc: 0 }).vegas.sendmeInc, 1);
    assert.strictEqual(consensus({ cc_sendme_inc: 255 }).vegas.sendmeInc, 254);
    assert.strictEqual(consensus({ circwindow: 99_999 }).fixedWindow.window, 1000);
    assert.strictEqual(consensus({ circwindow: -1 }).fixedWindow.window, 100);
  });

  it("keeps the low mark of the queue below the high one", () => {
    const params = consensus({ cellq_high: 5, cellq_low: 900 });
    assert.isAtMost(params.queueLow, params.queueHigh);
  });

  it("has every default within its range", () => {
    for (const [name, range] of Object.entries(congestionParamTable)) {
      assert.isAtLeast(range.default, range.min, name);
      assert.isAtMost(range.default, range.max, name);
    }
  });
});
