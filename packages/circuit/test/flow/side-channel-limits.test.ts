import { assert, describe, it } from "@effect/vitest";
import { flowParams } from "../../src/flow/params.ts";
import { SideChannelLimits } from "../../src/flow/side-channel-limits.ts";
import { problemOf } from "../congestion/support.ts";
import { defaults } from "./support.ts";

describe("SideChannelLimits", () => {
  // Arti, crates/tor-proto/src/stream/flow_ctrl/xon_xoff/state.rs, with the same parameters.
  describe("sidechannel_mitigation", () => {
    const consensuses: ReadonlyArray<Readonly<Record<string, number>>> = [
      { cc_xoff_client: 2, cc_xoff_exit: 4, cc_xon_rate: 8, cc_xon_change_pct: 1 },
      { cc_xoff_client: 8, cc_xoff_exit: 4, cc_xon_rate: 2, cc_xon_change_pct: 1 },
    ];
    for (const consensus of consensuses) {
      const params = flowParams((name) => consensus[name]);
      const xoffLimit = Math.min(params.xoffClientBytes, params.xoffExitBytes) / 2;
      const xonLimit = params.xonRateBytes / 2;

      /** What becomes of XONs and XOFFs after so many bytes were sent; numbers are more bytes. */
      const outcome = (sent: number, events: ReadonlyArray<"xon" | "xoff" | number>): ReadonlyArray<string> => {
        const limits = new SideChannelLimits(params);
        limits.onDataSent(sent);
        return events.flatMap((event) => {
          if (typeof event === "number") {
            limits.onDataSent(event);
            return [];
          }
          return [problemOf(() => (event === "xon" ? limits.onXon() : limits.onXoff())) ?? "ok"];
        });
      };

      it(`XOFF limit ${xoffLimit}, XON limit ${xonLimit}`, () => {
        assert.deepStrictEqual(outcome(0, ["xon"]), ["xon-early"]);
        assert.deepStrictEqual(outcome(0, ["xoff"]), ["xoff-early"]);
        assert.deepStrictEqual(outcome(xoffLimit - 1, ["xoff"]), ["xoff-early"]);
        assert.deepStrictEqual(outcome(xoffLimit, ["xoff", "xoff"]), ["ok", "xoff-repeated"]);
        assert.deepStrictEqual(outcome(xoffLimit, ["xoff", xoffLimit, "xoff"]), ["ok", "xoff-repeated"]);
        assert.deepStrictEqual(outcome(xoffLimit, ["xoff", "xon", xoffLimit, "xoff"]), ["ok", "ok", "ok"]);
        assert.notStrictEqual(outcome(xonLimit - 1, ["xon"])[0], "ok");
        const manyXons = outcome(xonLimit * 3, ["xon", "xon", "xon", "xon"]);
        assert.deepStrictEqual(manyXons, ["ok", "ok", "ok", "xon-frequent"]);
        const inTurns = outcome(xoffLimit * 3, ["xoff", "xon", "xoff", "xon", "xoff", "xon", "xoff"]);
        assert.deepStrictEqual(inTurns, ["ok", "ok", "ok", "ok", "ok", "ok", "xoff-frequent"]);
      });
    }
  });

  it("does not let a long quiet transfer save up licence for a burst", () => {
    const limits = new SideChannelLimits(defaults);
    for (let cell = 0; cell < 1_000_000; cell++) limits.onDataSent(498);
    let xons = 0;
    while (problemOf(() => limits.onXon()) === undefined) xons++;
    // 498 MB would be good for 4000; what counts is the last 10 MiB at most.
    assert.isBelow(xons, 100);
    assert.isAbove(xons, 30);
  });

  it("forgets XONs and XOFFs as it forgets bytes", () => {
    const limits = new SideChannelLimits(defaults);
    for (let round = 0; round < 500; round++) {
      for (let cell = 0; cell < 500; cell++) limits.onDataSent(498);
      limits.onXoff();
      limits.onXon();
      limits.onXon();
    }
    assert.strictEqual(
      problemOf(() => limits.onXon()),
      undefined,
    );
  });
});
