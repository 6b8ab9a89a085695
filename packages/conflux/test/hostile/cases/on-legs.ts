import { Effect } from "effect";
import type { ExitStage } from "../exit-stage.ts";
import type { RawLeg } from "../raw-leg.ts";

/** On a circuit that has sent no LINK. */
export const unlinked = (say: (leg: RawLeg) => void) => (stage: ExitStage) =>
  Effect.map(stage.open(), (leg) => {
    say(leg);
    return [leg];
  });

/** On a leg that LINKED has come on, beside one whose handshake is done. */
export const unacknowledged = (say: (leg: RawLeg) => void) => (stage: ExitStage) =>
  Effect.gen(function* () {
    const other = yield* stage.leg();
    const leg = yield* stage.linked();
    say(leg);
    return [leg, other];
  });

/** On the first of two legs. */
export const onLegs = (say: (leg: RawLeg, other: RawLeg) => void) => (stage: ExitStage) =>
  Effect.map(stage.legs, ([leg, other]) => {
    say(leg, other);
    return [leg, other];
  });

/** On another circuit, while a set has a leg. */
export const beside = (say: (leg: RawLeg) => void) => (stage: ExitStage) =>
  Effect.gen(function* () {
    const other = yield* stage.leg();
    const leg = yield* stage.open();
    say(leg);
    return [leg, other];
  });

/** LINK of this many bytes, of a version. */
export const linkBody = (length: number, version = 1): Buffer => {
  const body = Buffer.alloc(length);
  if (length > 0) body.writeUInt8(version, 0);
  return body;
};
