import { Signal } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect } from "effect";
import { TestClock } from "effect/testing";
import { LOST_CELLS_TIMEOUT_US } from "../../src/index.ts";
import type { ConfluxSet } from "../../src/set/conflux-set.ts";
import { LostCells } from "../../src/set/lost-cells.ts";

/** What is looked at of a set: one that has lost a leg, and in which a train waits for cells that another leg may bring. */
const newSet = () => ({
  hasLostLeg: true,
  isHungry: true,
  members: [0, 1],
  legs: [0, 1],
  signal: Signal.make(),
  receiver: { queue: { trains: 1 }, sequence: { hasPassed: false, delivered: 7 } },
});

const lostOf = (set: ReturnType<typeof newSet>): Effect.Effect<LostCells> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock;
    const fork = Effect.runForkWith(yield* Effect.context<never>());
    return new LostCells({ set: set as unknown as ConfluxSet, clock, fork });
  });

const timeout = TestClock.adjust(LOST_CELLS_TIMEOUT_US / 1000);

describe("cells are lost to a set that has lost a leg", () => {
  it.effect("when all legs are beyond them, unless one is still linking", () =>
    Effect.gen(function* () {
      const set = newSet();
      set.receiver.sequence.hasPassed = true;
      set.members.push(2);
      const lost = yield* lostOf(set);
      assert.isFalse(lost.look());
      set.members.pop();
      assert.isTrue(lost.look());
      lost.end();
    }),
  );

  it.effect("when none have come for a while, and the controller is told of it", () =>
    Effect.gen(function* () {
      const set = newSet();
      const lost = yield* lostOf(set);
      assert.isFalse(lost.look());
      assert.isFalse(set.signal.isSet);
      yield* timeout;
      assert.isTrue(set.signal.isSet);
      assert.isTrue(lost.look());
    }),
  );

  it.effect("but not while some come, or an application does not read, or nothing waits", () =>
    Effect.gen(function* () {
      const set = newSet();
      const lost = yield* lostOf(set);
      assert.isFalse(lost.look());
      yield* timeout;
      set.receiver.sequence.delivered++;
      assert.isFalse(lost.look());
      yield* timeout;
      set.isHungry = false;
      assert.isFalse(lost.look());
      set.isHungry = true;
      assert.isFalse(lost.look());
      yield* timeout;
      set.receiver.queue.trains = 0;
      assert.isFalse(lost.look());
      lost.end();
    }),
  );

  it.effect("and never while no leg has ended", () =>
    Effect.gen(function* () {
      const set = newSet();
      set.hasLostLeg = false;
      set.receiver.sequence.hasPassed = true;
      const lost = yield* lostOf(set);
      assert.isFalse(lost.look());
      yield* timeout;
      assert.isFalse(lost.look());
    }),
  );
});
