import type { HopFlow, LinkableCircuit, StreamBatch, StreamPath, Streams, StreamTrain } from "@allium/circuit";
import { Effect, Scope } from "effect";
import type { InitiatorLeg } from "../handshake/initiator-leg.ts";
import type { ResponderLeg } from "../handshake/responder-leg.ts";
import type { ConfluxSet } from "./conflux-set.ts";
import { Leg } from "./leg.ts";

/** Streams of a set, to whoever asks one of its legs for some. */
class SetStreams implements Streams {
  private readonly set: ConfluxSet;

  constructor(set: ConfluxSet) {
    this.set = set;
  }

  get size(): number {
    return this.set.streams?.streams.size ?? 0;
  }

  request(...asked: Parameters<Streams["request"]>): number | undefined {
    return this.set.streams?.streams.request(...asked);
  }

  close(id: number, reason: number): void {
    this.set.streams?.streams.close(id, reason);
  }
}

/** What waits is the set's, which has an account of its own. */
const NOTHING_HELD: Pick<StreamPath, "heldBytes" | "oldest" | "drop"> = {
  heldBytes: () => 0,
  oldest: () => undefined,
  drop: () => {},
};

/**
 * Gives a circuit's hop a stream path that leads to a set: from now on its ingress delivers to the set's controller, and its egress
 * takes from there. The set learns when the circuit ends.
 *
 * @throws CircuitProtocolError if the hop has a stream path already
 */
export const joinCircuit = (
  set: ConfluxSet,
  circuit: LinkableCircuit,
  hop: number,
  machine: InitiatorLeg | ResponderLeg,
): Effect.Effect<Leg> =>
  Effect.suspend(() => {
    const flow = circuit.hops[hop] as HopFlow;
    const inbound = set.group.link<StreamTrain>(`${circuit.name} → controller`);
    const outbound = set.group.link<StreamBatch>(`controller → ${circuit.name}`);
    const leg = new Leg({ number: set.nextNumber(), circuit, hop, flow, machine, inbound, outbound });
    inbound.reader.wakesUnsafe(set.signal);
    set.add(leg);
    const ended = Effect.sync(() => set.onLegEnded(leg));
    return circuit.paths
      .install(hop, "conflux", {
        inlet: inbound.writer,
        outlet: outbound.reader,
        streams: new SetStreams(set),
        room: set.signal,
        ...NOTHING_HELD,
      })
      .pipe(Effect.andThen(Scope.addFinalizer(circuit.group.scope, ended)), Effect.as(leg));
  });
