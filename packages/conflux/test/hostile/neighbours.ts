import { assert } from "@effect/vitest";
import { Effect, type Scope } from "effect";
import { aSecond, settled } from "../../../circuit/test/support/lab.ts";
import type { ExitStage } from "./exit-stage.ts";
import { nonceOf, type RawLeg, STREAM } from "./raw-leg.ts";

const OTHER_CLIENT = "10.1.0.2";

/** Those who keep all rules: they must not notice what others do. */
export interface Neighbours {
  /** Asks for some bytes on each of their streams, and gets them. */
  readonly answer: Effect.Effect<void>;
}

const ask = (legs: ReadonlyArray<RawLeg>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const bytes = () => legs.reduce((sum, leg) => sum + leg.bytesOf(STREAM), 0);
    const before = bytes();
    legs[0]?.data(1, STREAM, 40);
    yield* aSecond;
    assert.strictEqual(bytes() - before, 40, "a neighbour is answered");
  });

/**
 * A set of two legs, one of them on the channel of those who break the rules, and a circuit of the same channel that is no leg. Each has a
 * stream to an echo.
 */
export const makeNeighbours = (stage: ExitStage): Effect.Effect<Neighbours, never, Scope.Scope> =>
  Effect.gen(function* () {
    const nonce = nonceOf(0xffff_ffff);
    const away = yield* settled(stage.connect(OTHER_CLIENT));
    const legs = [yield* stage.leg(nonce), yield* stage.leg(nonce, away)];
    const alone = yield* stage.open();
    for (const one of [legs[0], alone]) one?.begin();
    yield* aSecond;
    return { answer: Effect.andThen(ask(legs), ask([alone])) };
  });
