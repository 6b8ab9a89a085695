import { assert, describe, it } from "@effect/vitest";
import type { CongestionControl } from "../../src/congestion/control.ts";
import { fixedWindow } from "../../src/congestion/fixed-window.ts";
import { Micros } from "../../src/congestion/units.ts";
import { consensus, defaults, problemOf, tagOf } from "./support.ts";

const now = Micros(0);
const signals = { channelBlocked: false };

/** Sends so many cells; tells which of them, from 1, had their tags remembered. */
const send = (control: CongestionControl, cells: number, first = 1): ReadonlyArray<number> => {
  const tagged: Array<number> = [];
  for (let cell = first; cell < first + cells; cell++) {
    if (!control.onCellSent(now)) continue;
    control.rememberTag(tagOf(cell));
    tagged.push(cell);
  }
  return tagged;
};

describe("fixed window", () => {
  it("has room for 1000 cells, and for 100 more after each SENDME", () => {
    const control = fixedWindow(defaults().fixedWindow);
    assert.strictEqual(control.room(), 1000);
    send(control, 1000);
    assert.strictEqual(control.room(), 0);
    control.onSendme(1, tagOf(100), now, signals);
    assert.strictEqual(control.room(), 100);
    assert.strictEqual(control.view.inflight, 900);
  });

  it("cannot be overdrawn", () => {
    const control = fixedWindow(consensus({ circwindow: 100 }).fixedWindow);
    send(control, 100);
    assert.throws(() => control.onCellSent(now), /without room/);
  });

  // `tor` 0.4.8, src/test/test_sendme.c, v1_record_digest.
  it("v1_record_digest: remembers the tag of each hundredth cell, and of no other", () => {
    const control = fixedWindow(defaults().fixedWindow);
    assert.deepStrictEqual(send(control, 1000), [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
  });

  it("remembers each hundredth cell also when the window is no multiple of a hundred", () => {
    const control = fixedWindow(consensus({ circwindow: 150 }).fixedWindow);
    assert.deepStrictEqual(send(control, 150), [100]);
    control.onSendme(1, tagOf(100), now, signals);
    assert.strictEqual(control.room(), 100);
    assert.deepStrictEqual(send(control, 100, 151), [200]);
  });

  // `tor` 0.4.8, src/test/test_sendme.c, v1_build_cell: what a SENDME is valid against.
  it("v1_build_cell: accepts the tag of the oldest cell, and each once only", () => {
    const control = fixedWindow(defaults().fixedWindow);
    send(control, 300);
    control.onSendme(1, tagOf(100), now, signals);
    // Version 0 has no tag, but uses one up.
    control.onSendme(0, undefined, now, signals);
    control.onSendme(1, tagOf(300), now, signals);
    assert.strictEqual(
      problemOf(() => control.onSendme(1, tagOf(300), now, signals)),
      "sendme-unexpected",
    );
  });

  it("refuses the tag of another cell, of a later cell, a part of the tag, and none", () => {
    for (const tag of [tagOf(1), tagOf(200), tagOf(100).subarray(0, 19), Buffer.alloc(0), undefined]) {
      const control = fixedWindow(defaults().fixedWindow);
      send(control, 200);
      assert.strictEqual(
        problemOf(() => control.onSendme(1, tag, now, signals)),
        "sendme-tag",
      );
    }
  });

  it("ignores what follows the tag", () => {
    const control = fixedWindow(defaults().fixedWindow);
    send(control, 100);
    control.onSendme(1, Buffer.concat([tagOf(100), Buffer.from("more")]), now, signals);
    assert.strictEqual(control.room(), 1000);
  });

  it("takes shorter tags too, if the encryption of the hop has such", () => {
    const control = fixedWindow(defaults().fixedWindow);
    send(control, 99);
    assert.isTrue(control.onCellSent(now));
    control.rememberTag(Buffer.alloc(16, 7));
    assert.strictEqual(
      problemOf(() => control.onSendme(1, Buffer.alloc(16, 8), now, signals)),
      "sendme-tag",
    );
    control.onSendme(1, Buffer.alloc(20, 7), now, signals);
    assert.strictEqual(control.room(), 1000);
  });

  it("keeps a copy of the tag", () => {
    const control = fixedWindow(defaults().fixedWindow);
    send(control, 99);
    control.onCellSent(now);
    const tag = tagOf(100);
    control.rememberTag(tag);
    tag.fill(0);
    control.onSendme(1, tagOf(100), now, signals);
    assert.strictEqual(control.room(), 1000);
  });

  it("refuses a SENDME before a hundred cells were sent", () => {
    for (const version of [0, 1]) {
      const control = fixedWindow(defaults().fixedWindow);
      send(control, 99);
      assert.strictEqual(
        problemOf(() => control.onSendme(version, tagOf(0), now, signals)),
        "sendme-unexpected",
      );
    }
  });

  it("refuses a SENDME for a cell that is not sealed yet", () => {
    const control = fixedWindow(defaults().fixedWindow);
    send(control, 99);
    assert.isTrue(control.onCellSent(now));
    assert.strictEqual(
      problemOf(() => control.onSendme(0, undefined, now, signals)),
      "sendme-unexpected",
    );
  });

  // `tor` 0.4.8, src/test/test_sendme.c, cell_version_validation and v1_consensus_params.
  it("cell_version_validation: accepts versions 0 and 1, or what the consensus leaves of them", () => {
    const accepts = (version: number, minimum?: number): boolean => {
      const { fixedWindow: params } = consensus(minimum === undefined ? {} : { sendme_accept_min_version: minimum });
      const control = fixedWindow(params);
      send(control, 100);
      const problem = problemOf(() => control.onSendme(version, tagOf(100), now, signals));
      assert.include([undefined, "sendme-version"], problem);
      return problem === undefined;
    };
    assert.isTrue(accepts(1));
    assert.isTrue(accepts(0));
    assert.isFalse(accepts(2));
    assert.isTrue(accepts(1, 1));
    assert.isFalse(accepts(0, 1));
    // A consensus that asks for more than is spoken here: then no SENDME can be right.
    assert.isFalse(accepts(1, 2));
    assert.isFalse(accepts(2, 2));
  });

  it("throws defects, not protocol violations, at a caller that mixes up tags", () => {
    const control = fixedWindow(defaults().fixedWindow);
    assert.throws(() => control.rememberTag(tagOf(1)), /No tag is due/);
    send(control, 99);
    assert.isTrue(control.onCellSent(now));
    assert.throws(() => control.rememberTag(Buffer.alloc(21)), /21 bytes/);
    assert.throws(() => control.onCellSent(now), /not remembered/);
  });

  it("shows a view that nobody can change", () => {
    const control = fixedWindow(consensus({ circwindow: 300 }).fixedWindow);
    const { view } = control;
    send(control, 120);
    assert.deepInclude(
      { ...view, room: view.room, inflight: view.inflight },
      { algorithm: "fixed-window", cwnd: 300, room: 180, inflight: 120, rttUs: undefined, inSlowStart: false },
    );
    assert.isTrue(view.clockReliable);
    assert.throws(() => Object.assign(view, { room: 5 }), TypeError);
    assert.strictEqual(control.streamFlow, "window");
    assert.strictEqual(control.sendmeInc, 100);
  });
});
