import type { Begin } from "@allium/cell";
import { EndReason } from "@allium/cell";
import { connectionPair } from "@allium/channel";
import { type OpenedStream, refuseStream, type StreamOpener, type StreamRefusal } from "@allium/circuit";
import { Effect, type Scope } from "effect";
import type { AskedCircuit } from "../../../packages/circuit/src/relay/asked-circuit.ts";
import type { CircuitHome } from "../../../packages/circuit/src/relay/open-circuit.ts";
import { agreedOf, makeProcess, type Process } from "./end.ts";
import { ResponderCircuit } from "./responder-circuit.ts";
import type { World } from "./world.ts";

/** The process that is asked: an exit. */
export interface Responder extends Process {
  readonly open: (asked: AskedCircuit, number: number) => ResponderCircuit;
}

export const makeResponder = (world: World): Effect.Effect<Responder, never, Scope.Scope> =>
  Effect.gen(function* () {
    const process = yield* makeProcess(world, "responder", "exit");
    const opener = openerOf(world);
    const home: CircuitHome = {
      ...process.home,
      openers: { forCircuit: () => opener },
      onDrop: () => {},
      onEnd: (circuit, { cause }) => world.onCircuitEnd("responder", circuit.id, cause),
      fork: Effect.runForkWith(yield* Effect.context<never>()),
      // Circuits end here: nobody extends them.
      channels: undefined as unknown as CircuitHome["channels"],
      extendPolicy: () => ({ self: { rsaId: NOBODY, ed25519Id: NOBODY }, addressAllowed: () => false }),
    };
    return { ...process, open: (asked, number) => new ResponderCircuit(home, number, asked, agreedOf(world.plan)) };
  });

const NOBODY = Buffer.alloc(0);

/** Opens streams as the plan has it: they are asked for by their numbers. */
const openerOf = (world: World): StreamOpener => {
  const open = (number: number): Effect.Effect<OpenedStream, StreamRefusal> =>
    Effect.gen(function* () {
      const stream = world.streams[number];
      if (stream === undefined) return yield* Effect.die(new Error(`stream ${number} was never asked for`));
      const { after, refuses } = stream.plan.opening;
      if (after > 0) yield* Effect.sleep(after);
      if (refuses) return yield* Effect.fail(refuseStream(EndReason.EXITPOLICY));
      const [inner, outer] = connectionPair();
      stream.onOpened("responder", outer);
      return { connection: inner, connected: { _tag: "CONNECTED" as const, resolved: undefined } };
    });
  return {
    begin: ({ destination }: Begin) => open(Number(destination.address.slice(1))),
    // There is one at most, and it is the first stream.
    beginDirectory: Effect.suspend(() => open(0)),
    resolve: () => Effect.succeed([]),
    linger: (connection) => connection.end(),
  };
};
