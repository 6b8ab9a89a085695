import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Micros } from "../../src/congestion/units.ts";
import { StreamReceiveWindow, StreamSendWindow, windowFlow } from "../../src/flow/window-flow.ts";
import { problemOf } from "../congestion/support.ts";

describe("a stream's send window", () => {
  // After Arti, crates/tor-proto/src/congestion/sendme.rs, with the numbers of streams.
  it("sendwindow_basic", () => {
    const window = new StreamSendWindow();
    for (let cell = 0; cell < 51; cell++) window.onDataSent();
    assert.strictEqual(window.room(), 449);
    window.onSendme();
    assert.strictEqual(window.room(), 499);
    for (let cell = 0; cell < 300; cell++) window.onDataSent();
    window.onSendme();
    assert.strictEqual(window.room(), 249);
  });

  it("sendwindow_erroring: cannot be overdrawn", () => {
    const window = new StreamSendWindow();
    for (let cell = 0; cell < 500; cell++) window.onDataSent();
    assert.strictEqual(window.room(), 0);
    assert.isUndefined(window.roomAt(Micros(5)));
    assert.throws(() => window.onDataSent(), /without room/);
    window.onSendme();
    assert.strictEqual(window.roomAt(Micros(5)), 5);
  });

  it("refuses a SENDME for less than 50 cells", () => {
    const window = new StreamSendWindow();
    assert.strictEqual(
      problemOf(() => window.onSendme()),
      "window-overflow",
    );
    for (let cell = 0; cell < 49; cell++) window.onDataSent();
    assert.strictEqual(
      problemOf(() => window.onSendme()),
      "window-overflow",
    );
    window.onDataSent();
    window.onSendme();
    assert.strictEqual(window.room(), 500);
  });

  it("refuses XON and XOFF", () => {
    const window = new StreamSendWindow();
    assert.strictEqual(
      problemOf(() => window.onXon()),
      "wrong-kind",
    );
    assert.strictEqual(
      problemOf(() => window.onXoff()),
      "wrong-kind",
    );
  });
});

describe("a stream's receive window", () => {
  // After Arti, crates/tor-proto/src/congestion/sendme.rs.
  it("recvwindow: acknowledges each fiftieth cell", () => {
    const window = new StreamReceiveWindow();
    for (let cell = 0; cell < 49; cell++) assert.isUndefined(window.onDataReceived(0));
    assert.deepStrictEqual(window.onDataReceived(0), { _tag: "Sendme", count: 1 });
  });

  it("acknowledges nothing while more than ten cells wait, and all of it at once when they are taken", () => {
    const window = new StreamReceiveWindow();
    for (let cell = 1; cell <= 120; cell++) {
      const answer = window.onDataReceived(5091);
      assert.isUndefined(answer);
    }
    assert.isUndefined(window.onDrained(9, 5091));
    assert.deepStrictEqual(window.onDrained(1, 5090), { _tag: "Sendme", count: 2 });
    assert.isUndefined(window.onDrained(5090, 0));
  });

  it("refuses a cell beyond the window", () => {
    const window = new StreamReceiveWindow();
    for (let cell = 0; cell < 500; cell++) window.onDataReceived(100_000);
    assert.strictEqual(
      problemOf(() => window.onDataReceived(100_000)),
      "window-overrun",
    );
  });
});

describe("two ends of a stream with windows", () => {
  it.prop(
    "pass everything on, whatever the application takes at a time",
    { takes: Schema.Array(Schema.Int) },
    ({ takes }) => {
      const near = windowFlow();
      const far = windowFlow();
      const now = Micros(0);
      const pattern = [0, ...takes].map((take) => 400 + (Math.abs(take) % 40_000));
      let sent = 0;
      let taken = 0;
      for (let turn = 0; taken < 1000 * 498; turn++) {
        let sendmes = 0;
        const note = (answer: ReturnType<typeof far.receive.onDrained>) => {
          if (answer?._tag === "Sendme") sendmes += answer.count;
        };
        while (sent < 1000 && near.send.room(now) > 0) {
          near.send.onDataSent(498, now);
          sent++;
          note(far.receive.onDataReceived(sent * 498 - taken, now));
        }
        const take = Math.min(pattern[turn % pattern.length]!, sent * 498 - taken);
        taken += take;
        note(far.receive.onDrained(take, sent * 498 - taken, now));
        for (let sendme = 0; sendme < sendmes; sendme++) near.send.onSendme();
        assert.isTrue(take > 0 || sendmes > 0 || sent === 1000, "stands still");
      }
      assert.strictEqual(sent, 1000);
    },
  );
});
