import type { Connection } from "@allium/channel";
import { assert } from "@effect/vitest";
import { Effect, type Scope } from "effect";
import { echo } from "../../../circuit/test/support/echo-openers.ts";
import { aSecond, assertNothingLeft } from "../../../circuit/test/support/lab.ts";
import type { HostileInitiator } from "./case.ts";
import { type ExitStage, makeExitStage } from "./exit-stage.ts";
import { faultOf } from "./fault.ts";
import { makeNeighbours } from "./neighbours.ts";
import { outcomeOf } from "./outcome.ts";
import type { RawLeg } from "./raw-leg.ts";

/** What was seen of a case. */
export interface Played {
  readonly outcome: string;
  /** What the exit says was wrong: rules of conflux by their names, other errors by the message that they were about. */
  readonly faults: ReadonlyArray<string>;
}

/** Plays a case to an exit. Whoever keeps the rules is answered afterwards, and nothing is left behind. */
export const playAtExit = (hostile: HostileInitiator): Effect.Effect<Played, never, Scope.Scope> =>
  Effect.gen(function* () {
    const applications: Array<Connection> = [];
    const { serve = echo } = hostile.lab ?? {};
    const stage = yield* makeExitStage(hostile.config?.(), {
      ...hostile.lab,
      serve: (connection, target) => {
        applications.push(connection);
        serve(connection, target);
      },
    });
    const neighbours = yield* makeNeighbours(stage);
    const legs = yield* hostile.play(stage);
    yield* aSecond;
    const played = { outcome: outcomeOf(legs.map(({ state }) => state)), faults: faultsOf(stage) };
    const open = legs.find(({ state }) => state === "open");
    if (open !== undefined && hostile.isSpent !== true) yield* assertCarries(open, legs);
    yield* neighbours.answer;
    for (const leg of stage.opened) leg.leave();
    yield* aSecond;
    // Those who do not read are waited for, at any exit.
    for (const connection of applications) connection.destroy();
    assert.lengthOf(stage.sets(), 0);
    const groups = stage.lab.registry.snapshot().groups.map(({ name }) => name);
    assert.deepStrictEqual(
      groups.filter((name) => name.startsWith("set ")),
      [],
    );
    assertNothingLeft(stage.lab);
    return played;
  });

/** A leg that is left is good for a stream. */
const assertCarries = (leg: RawLeg, legs: ReadonlyArray<RawLeg>): Effect.Effect<void> =>
  Effect.gen(function* () {
    leg.begin(ANOTHER_STREAM);
    yield* aSecond;
    const answers = legs.reduce((sum, one) => sum + one.count("CONNECTED", ANOTHER_STREAM), 0);
    assert.strictEqual(answers, 1, "a stream on what is left");
  });

const ANOTHER_STREAM = 77;

/** What the circuits of the exit have ended with, those that were faults. */
const faultsOf = ({ lab }: ExitStage): ReadonlyArray<string> => [...new Set((lab.ends[0] ?? []).flatMap(faultOf))];
