import { congestionControl, congestionParams, Micros } from "@allium/circuit";
import { assert, describe, it } from "@effect/vitest";
import { isReady, legView } from "../../src/index.ts";

describe("what a scheduler sees of a circuit", () => {
  it("is its congestion control as of now, and the handshake's round trip until there is one", () => {
    const control = congestionControl(congestionParams(() => undefined, "exit").vegas);
    let blocked = false;
    let linkRttUs = 0;
    const view = legView({
      leg: 3,
      view: control.view,
      sendmeInc: control.sendmeInc,
      linkRttUs: () => linkRttUs,
      room: () => control.room(),
      blocked: () => blocked,
    });
    assert.deepStrictEqual([view.leg, view.sendmeInc, view.cwnd, view.room, view.inSlowStart], [3, 31, 124, 124, true]);
    assert.deepStrictEqual([view.rttUs, view.minRttUs], [0, 0]);
    linkRttUs = 70_000;
    assert.deepStrictEqual([view.rttUs, view.minRttUs], [70_000, 70_000]);
    const tag = Buffer.alloc(20, 7);
    for (let cell = 0; cell < 31; cell++) if (control.onCellSent(Micros(1000))) control.rememberTag(tag);
    assert.deepStrictEqual([view.inflight, view.room], [31, 93]);
    control.onSendme(1, tag, Micros(51_000), { channelBlocked: false });
    assert.deepStrictEqual([view.inflight, view.rttUs, view.minRttUs], [0, 50_000, 50_000]);
    assert.isTrue(isReady(view));
    blocked = true;
    assert.isTrue(view.blocked);
    assert.isFalse(isReady(view));
  });
});
