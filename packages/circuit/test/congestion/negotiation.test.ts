import { assert, describe, it } from "@effect/vitest";
import { congestionControl } from "../../src/congestion/make.ts";
import { agreeAsInitiator, agreeAsResponder, requestsCongestionControl } from "../../src/congestion/negotiation.ts";
import { consensus, defaults, problemOf } from "./support.ts";

describe("agreement on congestion control", () => {
  it("two ends with one consensus agree on Vegas", () => {
    const params = defaults();
    const requested = requestsCongestionControl(params);
    assert.isTrue(requested);
    const { agreed, sendmeInc } = agreeAsResponder(params, requested);
    assert.strictEqual(sendmeInc, 31);
    assert.deepStrictEqual(agreeAsInitiator(params, requested, sendmeInc), agreed);
    assert.strictEqual(congestionControl(agreed).view.algorithm, "vegas");
    assert.strictEqual(congestionControl(agreed).streamFlow, "xon-xoff");
  });

  it("an initiator that does not ask gets fixed windows", () => {
    const { agreed, sendmeInc } = agreeAsResponder(defaults(), false);
    assert.isUndefined(sendmeInc);
    assert.strictEqual(agreed.algorithm, "fixed-window");
    assert.strictEqual(agreeAsInitiator(defaults(), false, sendmeInc).algorithm, "fixed-window");
    assert.strictEqual(congestionControl(agreed).view.algorithm, "fixed-window");
  });

  it("where the consensus has switched it off nobody asks, and nobody grants", () => {
    const off = consensus({ cc_alg: 0 });
    assert.isFalse(requestsCongestionControl(off));
    assert.isUndefined(agreeAsResponder(off, true).sendmeInc);
    assert.strictEqual(agreeAsResponder(off, true).agreed.algorithm, "fixed-window");
    assert.strictEqual(agreeAsInitiator(defaults(), true, undefined).algorithm, "fixed-window");
  });

  it("the initiator takes over the responder's increment", () => {
    const agreed = agreeAsInitiator(defaults(), true, 30);
    assert.strictEqual(congestionControl(agreed).sendmeInc, 30);
  });

  // Arti, crates/tor-proto/src/congestion/params.rs.
  it("test_sendme_inc_valid", () => {
    const params = defaults();
    const isValid = (inc: number): boolean => problemOf(() => agreeAsInitiator(params, true, inc)) !== "increment";
    assert.isTrue(isValid(31));
    assert.isTrue(isValid(32));
    assert.isTrue(isValid(30));
    assert.isFalse(isValid(0));
    assert.isFalse(isValid(33));
    assert.isFalse(isValid(29));
  });

  it("no increment is none, even next to a consensus of one", () => {
    assert.strictEqual(
      problemOf(() => agreeAsInitiator(consensus({ cc_sendme_inc: 1 }), true, 0)),
      "increment",
    );
  });

  it("a grant that was not asked for is refused", () => {
    assert.strictEqual(
      problemOf(() => agreeAsInitiator(defaults(), false, 31)),
      "unrequested",
    );
  });
});
