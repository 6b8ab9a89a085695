import { assert, describe, it } from "@effect/vitest";
import { Micros } from "../../src/congestion/units.ts";
import { SideChannelLimits } from "../../src/flow/side-channel-limits.ts";
import { XonRate } from "../../src/flow/units.ts";
import { XonXoffSend } from "../../src/flow/xon-xoff-send.ts";
import { problemOf } from "../congestion/support.ts";
import { defaults } from "./support.ts";

const at = (seconds: number): Micros => Micros(seconds * 1_000_000);

describe("XonXoffSend", () => {
  it("sends without limit until the other end says something", () => {
    const send = new XonXoffSend(undefined);
    for (let cell = 0; cell < 10_000; cell++) send.onDataSent(498, at(0));
    assert.strictEqual(send.room(at(0)), Number.POSITIVE_INFINITY);
    assert.strictEqual(send.roomAt(at(0)), at(0));
  });

  it("stops at an XOFF and waits for the other end, not for time", () => {
    const send = new XonXoffSend(undefined);
    send.onXoff();
    assert.strictEqual(send.room(at(9)), 0);
    assert.isUndefined(send.roomAt(at(9)));
    send.onXon(XonRate(0), at(10));
    assert.strictEqual(send.room(at(10)), Number.POSITIVE_INFINITY);
  });

  it("reads the rate of an XON as kilobytes, of 1000 bytes, per second", () => {
    const send = new XonXoffSend(undefined);
    send.onXon(XonRate(498), at(0));
    assert.strictEqual(send.rate, 498_000);
    let cells = 0;
    for (let ms = 0; ms <= 10_000; ms++) {
      while (send.room(at(ms / 1000)) > 0) {
        send.onDataSent(498, at(ms / 1000));
        cells++;
      }
    }
    // Ten seconds at 1000 cells per second, and the burst of the first.
    assert.strictEqual(cells, 11_000);
  });

  it("waits for a full cell's worth", () => {
    const send = new XonXoffSend(undefined);
    send.onXon(XonRate(1), at(0));
    assert.strictEqual(send.room(at(0)), 2);
    send.onDataSent(498, at(0));
    send.onDataSent(498, at(0));
    assert.strictEqual(send.room(at(0)), 0);
    // 4 of the 1000 bytes are left, 494 are missing.
    assert.strictEqual(send.roomAt(at(0)), at(0.494));
    assert.strictEqual(send.room(Micros(493_999)), 0);
    assert.strictEqual(send.room(at(0.494)), 1);
  });

  it("takes zero, and what 32 bits of bytes cannot express, for no limit", () => {
    const rateAfter = (rate: number) => {
      const send = new XonXoffSend(undefined);
      send.onXon(XonRate(rate), at(0));
      return send.rate;
    };
    assert.strictEqual(rateAfter(0), Number.POSITIVE_INFINITY);
    assert.strictEqual(rateAfter(2_147_483), 2_147_483_000);
    assert.strictEqual(rateAfter(2_147_484), Number.POSITIVE_INFINITY);
    assert.strictEqual(rateAfter(0xffff_ffff), Number.POSITIVE_INFINITY);
  });

  it("refuses a stream SENDME", () => {
    assert.strictEqual(
      problemOf(() => new XonXoffSend(undefined).onSendme()),
      "wrong-kind",
    );
  });

  it("at a client refuses an XOFF or XON that nothing was the cause of; an exit takes it", () => {
    const client = () => new XonXoffSend(new SideChannelLimits(defaults));
    assert.strictEqual(
      problemOf(() => client().onXoff()),
      "xoff-early",
    );
    assert.strictEqual(
      problemOf(() => client().onXon(XonRate(5), at(0))),
      "xon-early",
    );
    const busy = client();
    for (let cell = 0; cell < 500; cell++) busy.onDataSent(498, at(0));
    busy.onXoff();
    assert.strictEqual(
      problemOf(() => busy.onXoff()),
      "xoff-repeated",
    );

    const exit = new XonXoffSend(undefined);
    exit.onXoff();
    exit.onXoff();
    assert.strictEqual(exit.room(at(0)), 0);
    exit.onXon(XonRate(5), at(0));
    assert.strictEqual(exit.rate, 5000);
  });
});
