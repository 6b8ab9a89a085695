import { assert, describe, it } from "@effect/vitest";
import { type EndedLeg, fateOfSet, type SetFate } from "../src/index.ts";

/** A leg of two that has ended at rest: both have had the same numbers. */
const idle: EndedLeg = {
  left: 1,
  current: false,
  inflight: 0,
  sendmeInc: 31,
  sent: 10,
  othersSent: 20,
  received: 30,
  othersReceived: 40,
  resumes: false,
};

// cfx_del_leg of `tor`, whose conditions are the same; ConfluxSet::remove of Arti.
const table: ReadonlyArray<readonly [what: string, leg: Partial<EndedLeg>, ends: boolean, why: SetFate["why"]]> = [
  ["an idle leg", {}, false, "idle"],
  ["an idle leg that was never used", { sent: 0, received: 0, othersSent: 0, othersReceived: 0 }, false, "idle"],
  ["the same numbers as another", { sent: 20, received: 40 }, false, "idle"],
  ["less than a SENDME's worth in flight", { inflight: 30 }, false, "idle"],
  ["a SENDME's worth in flight", { inflight: 31 }, true, "in-flight"],
  ["the highest number sent", { sent: 21 }, true, "sent-highest"],
  ["the highest number received", { received: 41 }, true, "received-highest"],
  ["the current leg", { current: true }, true, "current"],
  ["the last leg, idle or not", { left: 0, othersSent: 0, othersReceived: 0 }, true, "last-leg"],
  ["the last leg of a set that resumes", { left: 0, resumes: true }, true, "last-leg"],
  ["an idle leg of a set that resumes", { resumes: true }, false, "idle"],
  ["cells in flight of a set that resumes", { inflight: 100, sent: 21, resumes: true }, false, "resumed"],
  ["the current leg of a set that resumes", { current: true, resumes: true }, false, "resumed"],
];

describe("what becomes of a set when one of its legs ends", () => {
  it.each(table)("%s", (_what, leg, ends, why) => {
    assert.deepStrictEqual(fateOfSet({ ...idle, ...leg }), { ends, why });
  });
});
