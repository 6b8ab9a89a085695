import { type ConfluxLink, RelayCommand } from "@allium/cell";
import { type CircuitError, type LinkableCircuit, type Micros, microsOfNanos } from "@allium/circuit";
import { Reactor, Signal } from "@allium/kernel";
import { Deferred, Duration, Effect, Exit } from "effect";
import { type ResponderFacts, violationOf } from "../handshake/message-rules.ts";
import { ResponderLeg } from "../handshake/responder-leg.ts";
import type { ConfluxSet } from "../set/conflux-set.ts";
import { legFailed } from "../set/controller.ts";
import { joinCircuit } from "../set/join-circuit.ts";
import { type ConfluxViolationName, violationTable } from "../violations.ts";
import { AckDeadlines } from "./ack-deadlines.ts";
import { beginSet, type SetHome } from "./begin-set.ts";
import type { Sets } from "./sets.ts";

/** A LINK came on a circuit, and its ingress waits until it is answered. */
export interface LinkRequest {
  readonly circuit: LinkableCircuit;
  readonly hop: number;
  readonly message: ConfluxLink;
  readonly answered: Deferred.Deferred<void, CircuitError>;
}

/** What the manager stands on. */
export interface ManagerOptions {
  readonly home: SetHome;
  /** Those that others have begun. */
  readonly sets: Sets<ConfluxSet>;
  /** Whether others may link circuits here. */
  readonly accepts: () => boolean;
  /** What this end wants of the other's scheduling, a `ConfluxUx`, by what that one wants of this end's. */
  readonly desiredUx: (wanted: number) => number;
  /** Whether to resume sets whose initiator offers to. */
  readonly resumption: () => boolean;
  readonly nextName: () => string;
}

/**
 * The reactor that finds the set of each circuit that asks to be linked, by its nonce: begins it if it is the first, makes the circuit
 * one of its legs, and has its egress answer LINKED. One for a process. Proposal 329, 2.2.
 */
export const manager = (options: ManagerOptions) =>
  Reactor.make({
    name: "conflux-manager",
    reads: { requests: Reactor.port<LinkRequest>() },
    writes: {},
    run: ({ requests }) =>
      Effect.gen(function* () {
        const { clock } = options.home;
        const now = (): Micros => microsOfNanos(clock.monotonicTimeNanosUnsafe());
        const deadlines = new AckDeadlines();
        const signal = Signal.make();
        yield* requests.wakes(signal);
        for (;;) {
          for (let taken = requests.takeUnsafe(); taken !== undefined; taken = requests.takeUnsafe()) {
            if (Exit.isFailure(taken)) return yield* taken;
            const { answered } = taken.value;
            Deferred.doneUnsafe(answered, yield* Effect.exit(link(options, taken.value, deadlines, now)));
          }
          for (const { circuit } of deadlines.takeLate(now())) circuit.stop(legFailed("ack-late"));
          const { next } = deadlines;
          yield* next === undefined
            ? signal.wait
            : Effect.raceFirst(
                signal.wait,
                Effect.sleep(Duration.micros(BigInt(Math.max(0, Math.ceil(next - now()))))),
              );
        }
      }),
  });

const link = (
  options: ManagerOptions,
  { circuit, hop, message }: LinkRequest,
  deadlines: AckDeadlines,
  now: () => Micros,
): Effect.Effect<void, CircuitError> =>
  Effect.gen(function* () {
    const refuse = (violation: ConfluxViolationName) => Effect.fail(legFailed(violation));
    const broken = violationOf(RelayCommand.CONFLUX_LINK, factsOf(options, circuit, hop));
    if (broken !== undefined) return yield* refuse(broken);
    const machine = new ResponderLeg({
      desiredUx: options.desiredUx(message.desiredUx),
      resumption: options.resumption(),
    });
    // The message's nonce is a view of the cell.
    const nonce = Buffer.from(message.nonce);
    const wrong = machine.onLink({ ...message, nonce });
    if (wrong !== undefined) return yield* refuse(wrong);
    const set = options.sets.find(nonce, () => begin(options, circuit, nonce.toString("latin1")));
    if (typeof set === "string") return yield* refuse(set);
    const leg = yield* joinCircuit(set, circuit, hop, machine);
    const linked = machine.linked(set.numbers, now());
    const refused = set.join(leg);
    if (refused !== undefined) {
      const error = legFailed(refused);
      circuit.stop(error);
      if (violationTable[refused].ends === "set") set.group.stopUnsafe(error);
      return yield* Effect.fail(error);
    }
    leg.say(linked);
    deadlines.add(leg);
  });

/**
 * Apart from `link`, so that what the set holds does not hold the request with it.
 *
 * @param key the nonce as a text: as bytes it would be a part of a larger buffer, and hold all of that
 */
const begin = ({ home, sets, nextName }: ManagerOptions, circuit: LinkableCircuit, key: string): ConfluxSet =>
  beginSet(
    home,
    nextName(),
    () => circuit.makeOpener(),
    () => sets.remove(Buffer.from(key, "latin1")),
  ).set;

const factsOf = ({ accepts }: ManagerOptions, circuit: LinkableCircuit, hop: number): ResponderFacts => ({
  role: "responder",
  enabled: accepts(),
  atJoinPoint: true,
  state: "unlinked",
  extended: circuit.isExtended,
  congestionControl: circuit.hops[hop]?.agreed.algorithm === "vegas",
  dirty: circuit.paths.state(hop) !== "empty",
});
