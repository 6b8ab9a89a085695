import { type CircuitError, errorOfCause, type LinkableCircuit, type Micros, type Streams } from "@allium/circuit";
import { Effect } from "effect";
import { InitiatorLeg } from "../handshake/initiator-leg.ts";
import type { LegView } from "../schedule/leg-view.ts";
import { legFailed, openStreams } from "../set/controller.ts";
import { joinCircuit } from "../set/join-circuit.ts";
import type { BegunSet } from "./begin-set.ts";

/** A leg of a set, to look at. */
export interface LinkedLeg {
  readonly circuit: LinkableCircuit;
  /** What schedulers see of it. */
  readonly seen: LegView;
}

/** A set that is begun here: circuits of this end become its legs, and streams may be asked for on any of them. */
export interface OutgoingSet {
  readonly name: string;
  /** Linked legs, in the order of their linking. */
  readonly legs: ReadonlyArray<LinkedLeg>;
  readonly streams: Streams | undefined;
  /** Whether it has ended, even if the teardown of its circuits still lasts. */
  readonly isOver: boolean;
  /**
   * Asks the hop at a circuit's end to link it, and waits for the answer. Interrupted, or too late, the circuit ends.
   * @param hop where the legs meet
   */
  link(circuit: LinkableCircuit, hop: number): Effect.Effect<void, CircuitError>;
}

/** What the circuits of one are linked by. */
export interface OutgoingOptions {
  readonly begun: BegunSet;
  /** 32 random bytes. A secret. */
  readonly nonce: Buffer;
  readonly desiredUx: number;
  readonly timeoutUs: number;
  readonly resumption: boolean;
  readonly now: () => Micros;
}

/** What a circuit failed with, if it has. */
const endOf = ({ group: { cause } }: LinkableCircuit): CircuitError | undefined => {
  const error = cause === undefined ? undefined : errorOfCause(cause);
  return error?._tag === "LinkClosed" || error?._tag === "LinkEnded" ? undefined : error;
};

/** See {@link OutgoingSet}. */
export const outgoingSet = ({ begun, now, ...offer }: OutgoingOptions): OutgoingSet => {
  const { set, options } = begun;
  const link = (circuit: LinkableCircuit, hop: number): Effect.Effect<void, CircuitError> =>
    Effect.gen(function* () {
      const machine = new InitiatorLeg(offer);
      const leg = yield* joinCircuit(set, circuit, hop, machine);
      leg.say(machine.link(set.numbers, now(), leg.leg));
      yield* Effect.callback<void>((resume) => {
        if (leg.hasEnded) resume(Effect.void);
        else leg.onSettled = () => resume(Effect.void);
      }).pipe(
        Effect.timeoutOrElse({
          duration: offer.timeoutUs / 1000,
          orElse: () => Effect.sync(() => circuit.stop(legFailed("linked-late"))),
        }),
        Effect.onInterrupt(() => Effect.sync(() => circuit.stop("finished"))),
      );
      if (!set.legs.includes(leg)) return yield* Effect.fail(endOf(circuit) ?? legFailed("linked-late"));
      yield* openStreams(options);
    });
  return {
    name: set.name,
    get legs() {
      return set.legs;
    },
    get streams() {
      return set.streams?.streams;
    },
    get isOver() {
      return set.isOver;
    },
    link,
  };
};
