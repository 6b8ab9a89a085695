import { MAX_LEGS } from "@allium/conflux";
import { Effect, Scope } from "effect";
import { TestClock } from "effect/testing";
import { aSecond } from "../../../../circuit/test/support/lab.ts";
import type { HostileInitiator } from "../case.ts";
import type { ExitStage } from "../exit-stage.ts";
import { nonceOf, type RawLeg } from "../raw-leg.ts";

/** LINK on one circuit more than a set may have. */
const toFull = (open: (stage: ExitStage) => Effect.Effect<RawLeg>) => (stage: ExitStage) =>
  Effect.gen(function* () {
    const others = yield* Effect.all(Array.from({ length: MAX_LEGS }, () => open(stage)));
    const leg = yield* stage.open();
    leg.link();
    return [leg, ...others];
  });

/** What an exit makes of the nonces of LINK, and of how many there are. */
export const nonceCases: ReadonlyArray<HostileInitiator> = [
  {
    what: "LINK with the nonce of a set that has ended",
    rule: "reused-nonce",
    end: "the leg ends: PROTOCOL",
    play: (stage) =>
      Effect.gen(function* () {
        const first = yield* stage.leg();
        first.leave();
        yield* aSecond;
        const leg = yield* stage.open();
        leg.link();
        return [leg];
      }),
  },
  {
    what: "LINK with the nonce of a set that ends at that moment",
    rule: "reused-nonce",
    end: "the leg ends: PROTOCOL",
    play: (stage) =>
      Effect.gen(function* () {
        const first = yield* stage.leg();
        const leg = yield* stage.open();
        first.leave();
        leg.link();
        return [leg];
      }),
  },
  {
    what: "LINK with the nonce of a set that ends for a violation at that moment",
    rule: "reused-nonce",
    faults: ["switch-alone", "reused-nonce"],
    end: "the leg ends: PROTOCOL",
    play: (stage) =>
      Effect.gen(function* () {
        const first = yield* stage.leg();
        const leg = yield* stage.open();
        first.skip(1);
        leg.link();
        return [leg];
      }),
  },
  {
    what: "LINK with the nonce of a set that has ended, and whose release still lasts",
    rule: "reused-nonce",
    end: "the leg ends: PROTOCOL",
    play: (stage) =>
      Effect.gen(function* () {
        const first = yield* stage.leg();
        const leg = yield* stage.open();
        for (const { group } of stage.sets()) yield* Scope.addFinalizer(group.scope, Effect.sleep("1 second"));
        first.leave();
        yield* TestClock.adjust("100 millis");
        leg.link();
        yield* TestClock.adjust("100 millis");
        return [leg];
      }),
  },
  {
    what: "LINK to a set whose other leg ends right behind it",
    rule: { from: "proposal 329, 2.4.3" },
    end: "its set goes on",
    play: (stage) =>
      Effect.gen(function* () {
        const other = yield* stage.leg();
        const leg = yield* stage.open();
        leg.link();
        yield* TestClock.adjust("10 millis");
        other.leave();
        yield* aSecond;
        leg.ack();
        yield* aSecond;
        return [other, leg];
      }),
  },
  {
    what: "LINK with one nonce on two circuits at the same moment",
    rule: { from: "proposal 329, 2.2" },
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        const legs = yield* Effect.all([stage.open(), stage.open()]);
        for (const leg of legs) leg.link();
        yield* aSecond;
        for (const leg of legs) leg.ack();
        yield* aSecond;
        return legs;
      }),
  },
  {
    what: "LINK with another client's nonce: whoever knows the secret is of the set",
    rule: { from: "proposal 329, 2.2" },
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        const other = yield* stage.leg();
        const leg = yield* stage.leg(nonceOf(1), yield* stage.connect("10.1.0.3"));
        return [leg, other];
      }),
  },
  {
    what: "LINK to a set that is full",
    rule: "too-many-legs",
    end: "the leg ends: RESOURCELIMIT; its set goes on",
    play: toFull(({ leg }) => leg()),
  },
  {
    what: "LINK to a set that is full of legs that are not acknowledged",
    rule: "too-many-legs",
    end: "the leg ends: RESOURCELIMIT; its set goes on",
    isSpent: true,
    play: toFull(({ linked }) => linked()),
  },
  {
    what: "LINK on five circuits with one nonce at the same moment",
    rule: "too-many-legs",
    end: "the leg ends: RESOURCELIMIT; its set goes on",
    isSpent: true,
    play: (stage) =>
      Effect.gen(function* () {
        const legs = yield* Effect.all(Array.from({ length: MAX_LEGS + 1 }, () => stage.open()));
        for (const leg of legs) leg.link();
        yield* aSecond;
        // Whichever came last.
        return legs.toSorted((one, other) => Number(one.state === "open") - Number(other.state === "open"));
      }),
  },
  {
    what: "LINK for one set more than there may be",
    rule: "too-many-sets",
    config: () => ({ maxSets: () => 3 }),
    end: "the leg ends: RESOURCELIMIT",
    play: (stage) =>
      Effect.gen(function* () {
        yield* stage.leg(nonceOf(1));
        yield* stage.leg(nonceOf(2));
        const leg = yield* stage.open();
        leg.link({ nonce: nonceOf(3) });
        return [leg];
      }),
  },
];
