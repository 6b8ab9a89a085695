import type { ConfluxLinked } from "@allium/cell";
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import type { HostileResponder } from "../case.ts";
import type { InitiatorStage } from "../initiator-stage.ts";

const LEG = "the leg ends: PROTOCOL; its set goes on";
const PROTOCOL = "the set ends: PROTOCOL, its other legs: FINISHED";

/** As a `tor` answers. */
const withoutOffer = ({ resumption: _, ...answer }: ConfluxLinked): ConfluxLinked => answer;

/** Links the first leg, and then the second, whether that can be or not; done on the second. */
const second = ({ link, circuits }: InitiatorStage) =>
  Effect.gen(function* () {
    assert.isTrue(yield* link(circuits[0]));
    assert.isFalse(yield* link(circuits[1]));
    return 1;
  });

/** Says REWIND on the first of two legs. */
const rewind =
  (lastSeqno: bigint) =>
  ({ linked, at }: InitiatorStage) =>
    Effect.map(linked, () => {
      at[0].send(0, { _tag: "CONFLUX_REWIND", lastSeqno });
      return 0;
    });

/** What a client makes of the extension by which sets outlive a leg (docs/decisions/0019-resumption.md). */
export const clientResumptionCases: ReadonlyArray<HostileResponder> = [
  {
    what: "the exit takes an offer to resume that was not made",
    rule: "resumption-unasked",
    end: LEG,
    options: { linked: (answer, _leg, number) => [number === 1 ? { ...answer, resumption: 1 } : answer] },
    play: second,
  },
  {
    what: "the exit takes the offer to resume on one leg, and not on the other",
    rule: "resumption-differs",
    end: LEG,
    options: {
      resumption: true,
      linked: (answer, _leg, number) => [number === 1 ? withoutOffer(answer) : answer],
    },
    play: second,
  },
  {
    what: "the exit takes no offer to resume, as a `tor`: the set is as any other",
    rule: { from: "ours" },
    end: "ignored",
    options: { resumption: true, linked: (answer) => [withoutOffer(answer)] },
    play: ({ linked, state }) =>
      Effect.map(linked, () => {
        assert.isFalse(state.resumes);
        return 0;
      }),
  },
  {
    what: "the exit takes the offer to resume of another leg",
    rule: "resumption-unasked",
    end: LEG,
    options: {
      resumption: true,
      linked: (answer, _leg, number) => [number === 1 ? { ...answer, resumption: 9 } : answer],
    },
    play: second,
  },
  {
    what: "the exit says that legs have ended which never were",
    rule: { from: "ours" },
    end: "ignored",
    options: { resumption: true },
    play: ({ linked, at }) =>
      Effect.map(linked, () => {
        for (const leg of [5, 2 ** 32 - 1]) at[0].send(0, { _tag: "CONFLUX_LEG_ENDED", leg });
        return 0;
      }),
  },
  {
    what: "the exit says REWIND, and nobody has agreed to resume",
    rule: "rewind-unasked",
    end: PROTOCOL,
    play: rewind(0n),
  },
  {
    what: "the exit says REWIND to a number that nothing has come under",
    rule: "rewind-forward",
    end: PROTOCOL,
    options: { resumption: true },
    play: rewind(7n),
  },
];
