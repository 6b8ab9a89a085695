import { makeHopFlow } from "@allium/circuit";
import { Effect, type Scope } from "effect";
import type { CircuitSeat } from "../../../packages/circuit/src/circuit-seat.ts";
import type { ClientHome } from "../../../packages/circuit/src/client/open-client-circuit.ts";
import { agreedOf, makeProcess, type Process } from "./end.ts";
import { InitiatorCircuit } from "./initiator-circuit.ts";
import type { World } from "./world.ts";

/** The process that begins the set. */
export interface Initiator extends Process {
  readonly open: (seat: CircuitSeat, number: number) => InitiatorCircuit;
}

export const makeInitiator = (world: World): Effect.Effect<Initiator, never, Scope.Scope> =>
  Effect.map(makeProcess(world, "initiator", "client"), (process) => {
    const home: ClientHome = {
      ...process.home,
      flow: makeHopFlow,
      onEnd: (circuit, { cause }) => world.onCircuitEnd("initiator", circuit.id, cause),
    };
    return { ...process, open: (seat, number) => new InitiatorCircuit(home, number, seat, agreedOf(world.plan)) };
  });
