import type { ConfluxLink } from "@allium/cell";
import { MAX_IDLE_SWITCHES, MAX_LANES } from "@allium/conflux";
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { aSecond } from "../../../../circuit/test/support/lab.ts";
import type { HostileInitiator } from "../case.ts";
import type { ExitStage } from "../exit-stage.ts";
import { nonceOf, type RawLeg } from "../raw-leg.ts";
import { linkBody, onLegs } from "./on-legs.ts";

const PROTOCOL = "the set ends: PROTOCOL, its other legs: FINISHED";
const FULL = "the set ends: RESOURCELIMIT, its other legs: FINISHED";

/** An exit that takes offers to resume. */
const resuming = () => ({ resumption: () => true });

/** A leg of the first set that has said this in LINK. */
const legWith = (stage: ExitStage, changes: Partial<ConfluxLink>): Effect.Effect<RawLeg> =>
  Effect.gen(function* () {
    const leg = yield* stage.open();
    leg.link({ nonce: nonceOf(1), ...changes });
    yield* aSecond;
    leg.ack();
    yield* aSecond;
    return leg;
  });

const someResumes = ({ sets }: ExitStage): boolean => sets().some(({ resumes }) => resumes);

const offer = { resumption: 7 } as const;

/** On the first of two legs of a set that resumes. */
const onResuming = (say: (leg: RawLeg, other: RawLeg, stage: ExitStage) => unknown) => (stage: ExitStage) =>
  Effect.gen(function* () {
    const legs = [yield* legWith(stage, offer), yield* legWith(stage, offer)] as const;
    assert.isTrue(someResumes(stage));
    const saying = say(...legs, stage);
    if (Effect.isEffect(saying)) yield* saying as Effect.Effect<unknown>;
    return legs;
  });

const rewind = (leg: RawLeg, lastSeqno: bigint): void => leg.say({ _tag: "CONFLUX_REWIND", lastSeqno });

/** What an exit makes of the extension by which sets outlive a leg (docs/decisions/0019-resumption.md). */
export const resumptionCases: ReadonlyArray<HostileInitiator> = [
  {
    what: "an offer to resume, at an exit that takes none",
    rule: { from: "ours" },
    end: "ignored",
    play: (stage) =>
      Effect.map(legWith(stage, offer), (leg) => {
        assert.isFalse(someResumes(stage));
        return [leg];
      }),
  },
  {
    what: "LINK with something else behind it than an offer",
    rule: { from: "ours; as `tor`" },
    config: resuming,
    end: "ignored",
    play: (stage) =>
      Effect.gen(function* () {
        const leg = yield* stage.open();
        leg.body(19, linkBody(200));
        yield* aSecond;
        assert.isFalse(someResumes(stage));
        leg.ack();
        return [leg];
      }),
  },
  {
    what: "LINK that offers to resume, for a set that does not",
    rule: "resumption-differs",
    config: resuming,
    end: "the leg ends: PROTOCOL; its set goes on",
    play: (stage) =>
      Effect.gen(function* () {
        const other = yield* legWith(stage, {});
        return [yield* legWith(stage, offer), other];
      }),
  },
  {
    what: "LINK that does not offer to resume, for a set that does",
    rule: "resumption-differs",
    config: resuming,
    end: "the leg ends: PROTOCOL; its set goes on",
    play: (stage) =>
      Effect.gen(function* () {
        const other = yield* legWith(stage, offer);
        return [yield* legWith(stage, {}), other];
      }),
  },
  {
    what: "REWIND on a leg of a set that does not resume",
    rule: "rewind-unasked",
    config: resuming,
    end: PROTOCOL,
    play: onLegs((leg) => {
      leg.begin();
      rewind(leg, 0n);
    }),
  },
  {
    what: "REWIND on a circuit that is no leg: it is what nobody knows",
    rule: { from: "tor-spec, Relay cells" },
    config: resuming,
    end: "ignored",
    play: (stage) =>
      Effect.map(stage.open(), (leg) => {
        rewind(leg, 0n);
        return [leg];
      }),
  },
  {
    what: "REWIND to the number that its leg has",
    rule: "rewind-forward",
    config: resuming,
    end: PROTOCOL,
    play: onResuming((leg) => {
      leg.begin();
      rewind(leg, 1n);
    }),
  },
  {
    what: "REWIND to 2⁶⁴ - 1",
    rule: "rewind-forward",
    config: resuming,
    end: PROTOCOL,
    play: onResuming((leg) => rewind(leg, 2n ** 64n - 1n)),
  },
  {
    what: "REWIND that is cut short",
    rule: "malformed",
    config: resuming,
    end: "the leg ends: PROTOCOL; its set goes on",
    play: onResuming((leg) => leg.body(225, Buffer.alloc(7))),
  },
  {
    what: "REWINDs with no cell between",
    rule: "switch-flood",
    config: resuming,
    end: PROTOCOL,
    play: onResuming((leg) => {
      leg.begin();
      leg.data(2 * MAX_IDLE_SWITCHES);
      for (let back = 0; back <= MAX_IDLE_SWITCHES; back++) rewind(leg, BigInt(2 * MAX_IDLE_SWITCHES - back));
    }),
  },
  {
    what: "LEG_ENDED on a leg of a set that does not resume",
    rule: "rewind-unasked",
    config: resuming,
    end: PROTOCOL,
    play: onLegs((leg) => leg.say({ _tag: "CONFLUX_LEG_ENDED", leg: 0 })),
  },
  {
    what: "LEG_ENDEDs with no cell between",
    rule: "switch-flood",
    config: resuming,
    end: PROTOCOL,
    play: onResuming((leg) => {
      for (let sent = 0; sent <= MAX_IDLE_SWITCHES; sent++) leg.say({ _tag: "CONFLUX_LEG_ENDED", leg: 100 + sent });
    }),
  },
  {
    what: "the same cells sent again a thousand times: they come once",
    rule: { from: "ours" },
    config: resuming,
    end: "ignored",
    play: onResuming((leg, _other, stage) =>
      Effect.gen(function* () {
        leg.begin();
        leg.data(10);
        for (let again = 0; again < 1000; again++) {
          rewind(leg, 1n);
          leg.data(10);
          if (again % 100 === 0) yield* TestClock.adjust("100 millis");
        }
        yield* aSecond;
        const set = stage.sets().find(({ resumes }) => resumes);
        assert.strictEqual(set?.receiver.sequence.delivered, 11);
        assert.strictEqual(set?.receiver.queue.bytes, 0);
      }),
    ),
  },
  {
    what: "cells behind a gap, again and again, each time after a REWIND",
    rule: "reorder-full",
    config: resuming,
    end: FULL,
    play: onResuming((leg) => {
      for (let lane = 0; lane <= MAX_LANES; lane++) {
        leg.skip(2);
        leg.data(1);
        rewind(leg, 0n);
      }
    }),
  },
];
