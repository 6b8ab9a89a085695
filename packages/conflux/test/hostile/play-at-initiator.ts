import { ConfluxUx, DestroyReason, destroyReasonName } from "@allium/cell";
import { CircuitClosedByPeer, type CircuitEnd, type ClientCircuit, errorOfCause, meaningOf } from "@allium/circuit";
import { assert } from "@effect/vitest";
import { Effect, type Scope } from "effect";
import { TestClock } from "effect/testing";
import { whileTimePasses } from "../../../../test/memory-network/index.ts";
import { assertEchoes } from "../../../../test/memory-network/test/support.ts";
import type { HostileResponder } from "./case.ts";
import { faultOf } from "./fault.ts";
import { type InitiatorStage, makeInitiatorStage } from "./initiator-stage.ts";
import { outcomeOf } from "./outcome.ts";
import type { Played } from "./play-at-exit.ts";

/** Plays a case to a client. Another set of its goes on afterwards, and nothing is left behind. */
export const playAtInitiator = (hostile: HostileResponder): Effect.Effect<Played, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { options: asked = {}, isSpent = false } = hostile;
    const options = typeof asked === "function" ? asked() : asked;
    const stage = yield* makeInitiatorStage(hostile.what, options);
    const neighbour = yield* makeNeighbour(stage);
    const { circuits, client, network, set, asked: linked } = stage;
    const by = circuits[yield* hostile.play(stage)] ?? circuits[0];
    yield* TestClock.adjust("2 seconds");
    const legs = [by, ...linked.filter((circuit) => circuit !== by)];
    const played = {
      outcome: outcomeOf(legs.map(({ end }) => (end === undefined ? "open" : reasonOf(end)))),
      faults: [...new Set(legs.flatMap(({ end }) => (end === undefined ? [] : faultOf(end.cause))))],
    };
    if (set.isOver)
      assert.isTrue(
        legs.every(({ end }) => end !== undefined),
        "no leg outlives its set",
      );
    else if (set.legs.length > 0 && !isSpent) yield* stage.open;
    yield* Effect.orDie(assertEchoes(neighbour, "example.com"));
    for (const circuit of client.circuits.circuits()) circuit.stop("finished");
    yield* TestClock.adjust("2 seconds");
    assert.lengthOf(client.circuits.circuits(), 0);
    assert.lengthOf(
      client.conflux.sets().filter(({ name }) => name !== set.name || linked.length > 0),
      0,
    );
    // Relays learn that a circuit is over, and never why.
    for (const { destroyed } of stage.at) {
      if (options.place === undefined) assert.include([undefined, DestroyReason.DESTROYED], destroyed);
    }
    for (const relay of network.relays) assert.strictEqual(relay.openCircuits, 0, relay.nickname);
    return played;
  });

/** A set of the client's that has nothing to do with the hostile relay. */
const makeNeighbour = ({ client }: InitiatorStage): Effect.Effect<ClientCircuit> =>
  Effect.gen(function* () {
    const legs = [
      yield* client.build("guard2", "middle2", "exit1"),
      yield* client.build("guard3", "middle3", "exit1"),
    ] as const;
    const set = client.conflux.begin({ desiredUx: ConfluxUx.HIGH_THROUGHPUT });
    for (const leg of legs) yield* set.link(leg, 2);
    return legs[0];
  }).pipe(Effect.orDie, whileTimePasses);

/** What a circuit ended with; a client tells nobody. */
const reasonOf = ({ cause }: CircuitEnd): string => {
  const error = errorOfCause(cause);
  if (error instanceof CircuitClosedByPeer) return error.how === "channel" ? "cut" : "left";
  const { destroyReason } = meaningOf(cause);
  return destroyReasonName(destroyReason) ?? `${destroyReason}`;
};
