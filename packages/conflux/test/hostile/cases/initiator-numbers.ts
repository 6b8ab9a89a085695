import { DestroyReason, RelayCommand, relayCellV0 } from "@allium/cell";
import { slabBytes } from "@allium/channel";
import type { OpenStream } from "@allium/circuit";
import { MAX_CELLS_AHEAD, MAX_IDLE_SWITCHES, REORDER_BYTES } from "@allium/conflux";
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import type { HostileCircuit } from "../../../../../test/memory-network/hostile/hostile-relay.ts";
import type { HostileResponder } from "../case.ts";
import type { InitiatorStage } from "../initiator-stage.ts";

const PROTOCOL = "the set ends: PROTOCOL, its other legs: FINISHED";
const FULL = "the set ends: RESOURCELIMIT, its other legs: FINISHED";

const skip = (leg: HostileCircuit, relativeSeqno: number): void =>
  leg.send(0, { _tag: "CONFLUX_SWITCH", relativeSeqno });

/** DATA in so many cells, in trains as they come from a channel. */
const data = (leg: HostileCircuit, streamId: number, cells: number): void => {
  for (let left = cells; left > 0; left--) {
    const slab = Buffer.alloc(slabBytes(1));
    relayCellV0.writeMessage(slab, 0, RelayCommand.DATA, streamId, BODY, 0, BODY.length);
    leg.sendPlain(slab);
  }
};
const BODY = Buffer.alloc(100, "o");

/** Says something on `leg`; an effect, if it takes time. */
type Act = (leg: HostileCircuit, other: HostileCircuit, streamId: number, stream: OpenStream) => unknown;

/** With a stream open, whose BEGIN came on `leg`; what was sent back was one cell, on the same. */
const withStream =
  (act: Act) =>
  ({ linked, open, at }: InitiatorStage) =>
    Effect.gen(function* () {
      yield* linked;
      const stream = yield* open;
      const [leg, other] = at[0].lastStream === 0 ? [at[1], at[0]] : at;
      const acting = act(leg, other, leg.lastStream, stream);
      if (Effect.isEffect(acting)) yield* acting as Effect.Effect<unknown>;
      return at[0] === leg ? 0 : 1;
    });

/** With a stream open; what is done is done on the other leg, which nothing has come on. */
const onOther = (act: Act) => (stage: InitiatorStage) =>
  Effect.map(withStream((leg, other, id, stream) => act(other, leg, id, stream))(stage), (by) => 1 - by);

const tooFar = (what: string, relative: number): HostileResponder => ({
  what,
  rule: "switch-too-far",
  end: PROTOCOL,
  play: onOther((leg) => skip(leg, relative)),
});

/** What a client makes of SWITCH, and of cells under any numbers. */
export const clientNumberCases: ReadonlyArray<HostileResponder> = [
  {
    what: "the exit says SWITCH by 0 as the first thing on a leg, as `tor` may",
    rule: { from: "as `tor`" },
    end: "ignored",
    play: onOther((leg) => skip(leg, 0)),
  },
  {
    what: "the exit says SWITCH by 0 on a leg in use",
    rule: "switch-zero",
    end: PROTOCOL,
    play: withStream((leg) => skip(leg, 0)),
  },
  {
    what: "the exit skips cells on the only leg",
    rule: "switch-alone",
    end: "the leg ends: FINISHED",
    play: ({ link, circuits, at }) =>
      Effect.map(link(circuits[0]), () => {
        skip(at[0], 1);
        return 0;
      }),
  },
  tooFar("the exit says SWITCH by one more than any window allows", MAX_CELLS_AHEAD + 2),
  tooFar("the exit says SWITCH by 2³² - 1", 2 ** 32 - 1),
  {
    what: "the exit says SWITCHes that are near enough each, and too far together",
    rule: "switch-too-far",
    end: PROTOCOL,
    play: onOther((leg, _other, id) => {
      for (let sum = 0; sum <= MAX_CELLS_AHEAD; sum += MAX_CELLS_AHEAD / 16) {
        skip(leg, MAX_CELLS_AHEAD / 16);
        data(leg, id, 1);
      }
    }),
  },
  {
    what: "the exit says SWITCHes with no cell between",
    rule: "switch-flood",
    end: PROTOCOL,
    play: onOther((leg) => {
      for (let sent = 0; sent <= MAX_IDLE_SWITCHES; sent++) skip(leg, 1);
    }),
  },
  {
    what: "the exit says SWITCH before each of 2000 cells, whose gaps the other leg fills: the stream is as it was sent",
    rule: { from: "proposal 329, 2.6" },
    end: "ignored",
    isSpent: true,
    play: onOther((leg, other, id, { connection }) =>
      Effect.gen(function* () {
        skip(leg, 1);
        for (let sent = 0; sent < 1000; sent++) {
          data(leg, id, 1);
          skip(leg, 1);
        }
        yield* TestClock.adjust("1 second");
        for (let sent = 0; sent < 1000; sent++) {
          skip(other, 1);
          data(other, id, 1);
        }
        let bytes = 0;
        for (let turn = 0; turn < 100; turn++) {
          for (let chunk = connection.read(); chunk !== undefined; chunk = connection.read()) bytes += chunk.length;
          yield* TestClock.adjust("20 millis");
        }
        assert.strictEqual(bytes, 2000 * BODY.length);
      }),
    ),
  },
  {
    what: "the exit sends cells under numbers that others came under",
    rule: "repeated-cells",
    end: PROTOCOL,
    play: onOther((leg, _other, id) => data(leg, id, 1)),
  },
  {
    what: "the exit sends cells that wait, and others under the same numbers",
    rule: "repeated-cells",
    end: "the set ends: PROTOCOL",
    play: onOther((leg, other, id) =>
      Effect.gen(function* () {
        skip(leg, 3);
        data(leg, id, 2);
        yield* TestClock.adjust("1 second");
        data(other, id, 3);
      }),
    ),
  },
  {
    what: "the exit leaves a gap which it never fills: the stream waits as long as both legs are there",
    rule: { from: "ours; as `tor`" },
    end: "ignored",
    isSpent: true,
    play: onOther((leg, _other, id, { connection }) =>
      Effect.gen(function* () {
        skip(leg, 2);
        data(leg, id, 100);
        yield* TestClock.adjust("1 hour");
        assert.isUndefined(connection.read());
        assert.strictEqual(connection.status, "open");
      }),
    ),
  },
  {
    what: "the exit leaves a gap, and ends the leg that was to fill it: the application hears it at once",
    rule: "cells-lost",
    end: "the set ends: FINISHED",
    play: onOther((leg, other, id, { connection }) =>
      Effect.gen(function* () {
        skip(other, 2);
        data(other, id, 1);
        yield* TestClock.adjust("1 second");
        leg.destroy(DestroyReason.FINISHED);
        yield* TestClock.adjust("1 second");
        assert.strictEqual(connection.status, "closed");
      }),
    ),
  },
  {
    what: "the exit sends more behind a gap than may wait",
    rule: "reorder-full",
    end: FULL,
    play: (stage) =>
      onOther((leg, _other, id) =>
        Effect.gen(function* () {
          skip(leg, 2);
          let most = 0;
          for (let sent = 0; sent < REORDER_BYTES / 500 && !stage.set.isOver; sent += BURST) {
            data(leg, id, BURST);
            while (leg.near.outbox.cells > BURST && !stage.set.isOver) yield* TestClock.adjust("5 millis");
            most = Math.max(most, stage.state.receiver.queue.bytes);
          }
          assert.isAbove(most, 0.9 * REORDER_BYTES);
          assert.isAtMost(most, REORDER_BYTES);
        }),
      )(stage),
  },
];

const BURST = 640;
