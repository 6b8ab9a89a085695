import { LINKED_ACK_TIMEOUT_US, MAX_LANES } from "@allium/conflux";
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { aSecond } from "../../../../circuit/test/support/lab.ts";
import type { HostileInitiator } from "../case.ts";
import { nonceOf, type RawLeg, STREAM } from "../raw-leg.ts";

/** Begins a set on a circuit that was opened before, as fast as one can. */
const linkAtOnce = (leg: RawLeg, number: number): void => {
  leg.link({ nonce: nonceOf(number) });
  leg.ack();
};

const SETS = 2_000;

/** What an exit makes of very many of the same. */
export const floodCases: ReadonlyArray<HostileInitiator> = [
  {
    what: `${SETS} sets that are never acknowledged: whoever is linked goes on, newcomers are refused until those are late`,
    rule: "too-many-sets",
    faults: ["too-many-sets", "ack-late"],
    end: "the leg ends: TIMEOUT",
    config: () => ({ maxSets: () => SETS }),
    play: (stage) =>
      Effect.gen(function* () {
        const halves: Array<RawLeg> = [];
        for (let number = 1; number < SETS; number++) {
          const leg = yield* stage.open();
          leg.link({ nonce: nonceOf(number) });
          halves.push(leg);
        }
        yield* aSecond;
        assert.lengthOf(stage.sets(), SETS);
        assert.isBelow(stage.held(), 100_000, "what sets without streams hold");
        const newcomer = yield* stage.open();
        newcomer.link({ nonce: nonceOf(SETS) });
        yield* aSecond;
        assert.strictEqual(newcomer.state, "RESOURCELIMIT");
        yield* TestClock.adjust(LINKED_ACK_TIMEOUT_US / 1000);
        assert.deepStrictEqual(new Set(halves.map(({ state }) => state)), new Set(["TIMEOUT"]));
        assert.lengthOf(stage.sets(), 1);
        const honest = yield* stage.leg(nonceOf(SETS + 1));
        honest.begin();
        yield* aSecond;
        assert.strictEqual(honest.count("CONNECTED", STREAM), 1);
        return [halves[0]!];
      }),
  },
  {
    what: "a thousand times LINK, and DESTROY right behind it",
    rule: { from: "ours" },
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        for (let number = 1; number <= 1000; number++) {
          const leg = yield* stage.open();
          leg.link({ nonce: nonceOf(number) });
          if (number % 2 === 0) yield* TestClock.adjust("20 millis");
          leg.leave();
        }
        yield* aSecond;
        assert.lengthOf(stage.sets(), 1);
        return [yield* stage.leg(nonceOf(1001))];
      }),
  },
  {
    what: "a thousand legs of one set, one after another, beside one that stays",
    rule: { from: "ours" },
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        const stays = yield* stage.leg();
        for (let count = 0; count < 1000; count++) {
          const leg = yield* stage.open();
          linkAtOnce(leg, 1);
          yield* TestClock.adjust("20 millis");
          leg.leave();
        }
        yield* aSecond;
        const [, set] = stage.sets();
        assert.deepStrictEqual([set?.size, set?.legs.length, set?.views.length], [1, 1, 1]);
        return [stays];
      }),
  },
  {
    what: "a hundred legs for a set that is full",
    rule: "too-many-legs",
    end: "the leg ends: RESOURCELIMIT; its set goes on",
    play: (stage) =>
      Effect.gen(function* () {
        const others = yield* Effect.all([stage.leg(), stage.leg(), stage.leg(), stage.leg()]);
        const refused: Array<RawLeg> = [];
        for (let count = 0; count < 100; count++) {
          const leg = yield* stage.open();
          leg.link();
          refused.push(leg);
        }
        yield* aSecond;
        assert.deepStrictEqual(new Set(refused.map(({ state }) => state)), new Set(["RESOURCELIMIT"]));
        return [refused[0]!, ...others];
      }),
  },
  {
    what: "legs that end one after another, each with a cell that waits for others",
    rule: "reorder-full",
    end: "the set ends: RESOURCELIMIT, its other legs: FINISHED",
    play: (stage) =>
      Effect.gen(function* () {
        const [first, furthest] = yield* stage.legs;
        furthest.skip(100);
        furthest.data(1);
        for (let number = 1; number < MAX_LANES; number++) {
          const leg = yield* stage.open();
          linkAtOnce(leg, 1);
          leg.skip(number);
          leg.data(1);
          yield* aSecond;
          leg.leave();
          yield* aSecond;
        }
        assert.strictEqual(first.state, "open");
        const leg = yield* stage.open();
        linkAtOnce(leg, 1);
        leg.skip(50);
        leg.data(1);
        return [leg, first, furthest];
      }),
  },
  {
    what: "a set on each of three channels with the same nonce, none of them acknowledged, while another client is linked",
    rule: "ack-late",
    end: "the set ends: TIMEOUT",
    play: (stage) =>
      Effect.gen(function* () {
        const legs = [
          yield* stage.linked(),
          yield* stage.linked(nonceOf(1), yield* stage.connect("10.1.0.3")),
          yield* stage.linked(nonceOf(1), yield* stage.connect("10.1.0.4")),
        ];
        assert.lengthOf(stage.sets(), 2);
        yield* TestClock.adjust((2 * LINKED_ACK_TIMEOUT_US) / 1000);
        return legs;
      }),
  },
];
