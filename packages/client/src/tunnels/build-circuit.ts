import type { ClientCircuit, ClientCircuits, HopFailed, HopTarget } from "@allium/circuit";
import { Effect } from "effect";

/**
 * Builds a circuit through the given relays. If it fails or is interrupted, the circuit is over.
 *
 * @param onAsked told when the first relay is asked: it has a channel
 * @param onHop told after each hop that was added; the first time, of the circuit
 */
export const buildCircuit = (
  circuits: Pick<ClientCircuits["Service"], "create">,
  [first, ...rest]: ReadonlyArray<HopTarget>,
  onAsked: () => void,
  onHop: (circuit: ClientCircuit) => void,
): Effect.Effect<ClientCircuit, HopFailed> =>
  // Who is interrupted between two hops must not leave the circuit to nobody.
  Effect.uninterruptibleMask((restore) =>
    first === undefined
      ? Effect.die(new Error("a path without relays"))
      : Effect.flatMap(restore(circuits.create(first, onAsked)), (circuit) => {
          onHop(circuit);
          const extend = Effect.forEach(
            rest,
            (target) =>
              Effect.andThen(
                circuit.extend(target),
                Effect.sync(() => onHop(circuit)),
              ),
            { discard: true },
          );
          return restore(extend).pipe(
            Effect.onError(() => Effect.sync(() => circuit.stop("finished"))),
            Effect.as(circuit),
          );
        }),
  );
