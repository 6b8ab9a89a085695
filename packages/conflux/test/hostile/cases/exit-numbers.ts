import { LOST_CELLS_TIMEOUT_US, MAX_CELLS_AHEAD, MAX_IDLE_SWITCHES, REORDER_BYTES } from "@allium/conflux";
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { aSecond } from "../../../../circuit/test/support/lab.ts";
import type { HostileInitiator } from "../case.ts";
import { STREAM } from "../raw-leg.ts";
import { onLegs } from "./on-legs.ts";

const PROTOCOL = "the set ends: PROTOCOL, its other legs: FINISHED";
const FULL = "the set ends: RESOURCELIMIT, its other legs: FINISHED";

const tooFar = (what: string, relative: number): HostileInitiator => ({
  what,
  rule: "switch-too-far",
  end: PROTOCOL,
  play: onLegs((leg) => leg.skip(relative)),
});

/** What an exit makes of SWITCH, and of cells under any numbers. */
export const numberCases: ReadonlyArray<HostileInitiator> = [
  {
    what: "SWITCH by 0 as the first thing on a leg, as `tor` may",
    rule: { from: "as `tor`" },
    end: "ignored",
    play: onLegs((leg) => leg.skip(0)),
  },
  {
    what: "SWITCH by 0 on a leg in use",
    rule: "switch-zero",
    end: PROTOCOL,
    play: onLegs((leg) => {
      leg.begin();
      leg.skip(0);
    }),
  },
  {
    what: "SWITCH by 0, twice",
    rule: "switch-zero",
    end: PROTOCOL,
    play: onLegs((leg) => {
      leg.skip(0);
      leg.skip(0);
    }),
  },
  {
    what: "SWITCH that skips cells on the only leg",
    rule: "switch-alone",
    end: "the leg ends: FINISHED",
    play: (stage) =>
      Effect.map(stage.leg(), (leg) => {
        leg.skip(1);
        return [leg];
      }),
  },
  tooFar("SWITCH by one more than any window allows", MAX_CELLS_AHEAD + 1),
  tooFar("SWITCH by 2³¹", 2 ** 31),
  tooFar("SWITCH by 2³² - 1, which would be one back if it had a sign", 2 ** 32 - 1),
  {
    what: "SWITCHes that are near enough each, and too far together",
    rule: "switch-too-far",
    end: PROTOCOL,
    play: onLegs((leg) => {
      for (let sum = 0; sum <= MAX_CELLS_AHEAD; sum += MAX_CELLS_AHEAD / 4) leg.skip(MAX_CELLS_AHEAD / 4);
    }),
  },
  {
    what: "SWITCHes by 2³² - 1 without end, so that a number might overflow",
    rule: "switch-too-far",
    end: PROTOCOL,
    play: onLegs((leg) => {
      for (let sent = 0; sent < 2000; sent++) {
        leg.skip(2 ** 32 - 1);
        leg.data(1);
      }
    }),
  },
  {
    what: "a cell behind a SWITCH to the last number that is near enough",
    rule: "reorder-full",
    end: FULL,
    play: onLegs((leg) => {
      leg.skip(MAX_CELLS_AHEAD);
      leg.data(1);
    }),
  },
  {
    what: "SWITCHes on one leg with no cell between",
    rule: "switch-flood",
    end: PROTOCOL,
    play: onLegs((leg) => {
      for (let sent = 0; sent <= MAX_IDLE_SWITCHES; sent++) leg.skip(1);
    }),
  },
  {
    what: "SWITCHes on two legs in turn with no cell between",
    rule: "switch-flood",
    end: PROTOCOL,
    play: (stage) =>
      Effect.gen(function* () {
        const legs = yield* stage.legs;
        for (let sent = 0; sent < MAX_IDLE_SWITCHES; sent++) {
          legs[sent % 2]?.skip(1);
          yield* aSecond;
        }
        legs[0].skip(1);
        return legs;
      }),
  },
  {
    what: "SWITCHes with nothing but BEGIN_DIR between, which does not count",
    rule: "switch-flood",
    end: PROTOCOL,
    play: onLegs((leg) => {
      for (let sent = 0; sent <= MAX_IDLE_SWITCHES; sent++) {
        leg.skip(1);
        leg.say({ _tag: "BEGIN_DIR" }, 100 + sent);
      }
    }),
  },
  {
    what: "SWITCH before each of 4000 cells, whose gaps another leg fills at last",
    rule: { from: "proposal 329, 2.6" },
    end: "ignored",
    // The legs are where they would be if the last cell had come on both.
    play: (stage) =>
      Effect.gen(function* () {
        const [leg, other] = yield* stage.legs;
        for (let sent = 0; sent < 4000; sent++) {
          leg.skip(1);
          leg.data(1);
        }
        yield* aSecond;
        for (let sent = 0; sent < 4000; sent++) {
          other.data(1);
          other.skip(1);
        }
        yield* aSecond;
        assert.lengthOf(
          stage.sets().filter(({ receiver }) => receiver.queue.bytes > 0),
          0,
        );
        return [leg, other];
      }),
  },
  {
    what: "cells under numbers that others came under",
    rule: "repeated-cells",
    end: PROTOCOL,
    play: (stage) =>
      Effect.gen(function* () {
        const [other, leg] = yield* stage.legs;
        other.data(3);
        yield* aSecond;
        leg.data(1);
        return [leg, other];
      }),
  },
  {
    what: "cells that wait under numbers that others come under meanwhile",
    rule: "repeated-cells",
    end: "the set ends: PROTOCOL",
    play: (stage) =>
      Effect.gen(function* () {
        const [leg, other] = yield* stage.legs;
        leg.skip(2);
        leg.data(2);
        yield* aSecond;
        other.data(3);
        return [leg, other];
      }),
  },
  {
    what: "the bytes of another leg's cell, once more on this one",
    rule: { from: "tor-spec, Relay cells" },
    faults: ["RELAY"],
    end: "the leg ends: PROTOCOL; its set goes on",
    play: onLegs((leg, other) => leg.replay(other)),
  },
  {
    what: "a cell's bytes, twice",
    rule: { from: "tor-spec, Relay cells" },
    faults: ["RELAY"],
    end: PROTOCOL,
    play: onLegs((leg) => leg.replay(leg)),
  },
  {
    what: "cells that leave a gap which nothing ever fills: they wait as long as all legs are there",
    rule: { from: "ours; as `tor`" },
    end: "ignored",
    isSpent: true,
    play: (stage) =>
      Effect.gen(function* () {
        const [leg, other] = yield* stage.legs;
        leg.skip(1);
        leg.data(1000);
        yield* TestClock.adjust("1 day");
        return [leg, other];
      }),
  },
  {
    what: "a leg that is ten minutes behind the other, and then brings what was missing",
    rule: { from: "proposal 329, 2.6" },
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        const [slow, fast] = yield* stage.legs;
        fast.skip(3);
        fast.data(1);
        yield* TestClock.adjust("10 minutes");
        slow.data(3);
        yield* aSecond;
        return [fast, slow];
      }),
  },
  {
    what: "a gap, and the leg that was to fill it ends: nothing can bring those cells any more",
    rule: "cells-lost",
    end: "the set ends: FINISHED",
    play: (stage) =>
      Effect.gen(function* () {
        const [leg, other] = yield* stage.legs;
        other.skip(3);
        other.data(1);
        yield* aSecond;
        leg.leave();
        return [leg, other];
      }),
  },
  {
    what: "a gap, and one of three legs ends: another might still fill it, and does not",
    rule: "cells-lost",
    end: "the set ends: FINISHED",
    play: (stage) =>
      Effect.gen(function* () {
        const [leg, ...others] = yield* Effect.all([stage.leg(), stage.leg(), stage.leg()]);
        others[0].skip(3);
        others[0].data(1);
        yield* aSecond;
        leg.leave();
        yield* aSecond;
        for (const other of others) assert.strictEqual(other.state, "open");
        yield* TestClock.adjust((2 * LOST_CELLS_TIMEOUT_US) / 1000);
        return [leg, ...others];
      }),
  },
  {
    what: "more bytes behind a gap than may wait",
    rule: "reorder-full",
    end: FULL,
    play: (stage) =>
      Effect.gen(function* () {
        const [leg, other] = yield* stage.legs;
        leg.skip(1);
        let most = 0;
        yield* leg.flood(REORDER_BYTES / 500, STREAM, () => {
          most = Math.max(most, stage.held());
        });
        assert.isAbove(most, 0.9 * REORDER_BYTES);
        assert.isBelow(most, 1.1 * REORDER_BYTES);
        return [leg, other];
      }),
  },
  {
    what: "more bytes behind a gap than the exit has memory for",
    rule: { from: "ours: the account of memory" },
    lab: { memoryLimit: 4 * 1024 * 1024 },
    end: "the set ends: RESOURCELIMIT",
    play: (stage) =>
      Effect.gen(function* () {
        const [leg, other] = yield* stage.legs;
        leg.skip(1);
        yield* leg.flood(12_800);
        return [leg, other];
      }),
  },
];
