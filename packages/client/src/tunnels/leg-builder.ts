import type { ClientCircuit, ClientCircuits, HopFailed } from "@allium/circuit";
import type { UnixMillis } from "@allium/netdoc";
import { Deferred, Duration, Effect } from "effect";
import { type BuildTimes, measuredHops } from "../build-times/index.ts";
import { buildCircuit } from "./build-circuit.ts";
import { type BuildProblem, describeProblem } from "./build-problem.ts";
import type { GuardKeeper } from "./guard-keeper.ts";
import { hopTargets } from "./hop-target.ts";
import type { Leg } from "./leg.ts";
import { LEAST_GUARD_PATIENCE_MILLIS } from "./times.ts";

/** What building stands on. */
export interface LegBuilderParts {
  readonly circuits: Pick<ClientCircuits["Service"], "create">;
  readonly guards: GuardKeeper;
  readonly buildTimes: BuildTimes;
  /** Milliseconds since 1970. */
  readonly now: () => UnixMillis;
  /** A guard does not answer any more: what is there through it is not to be relied on. */
  readonly onGuardLost: (leg: Leg) => void;
}

/** What becomes of a leg, to the tunnel that it is for. */
export interface LegEvents {
  /** The tunnel's, for the log. */
  readonly name: string;
  /** It has one more hop; the first time, a circuit. */
  readonly onHop: (leg: Leg, circuit: ClientCircuit) => void;
  /** It is too slow to be waited for. It goes on, to be measured (path-spec 2.4). */
  readonly onLate: (leg: Leg) => void;
  /** It has all its hops. */
  readonly onBuilt: (leg: Leg) => void;
  /** It is held back while a better guard may answer. */
  readonly onHeld: (leg: Leg) => void;
  /** It has all its hops, and may be used. */
  readonly onUsable: (leg: Leg) => void;
  /** It has come to nothing, and has ended. */
  readonly onFailed: (leg: Leg, why: string, problem?: BuildProblem) => void;
}

/**
 * Builds the circuits of tunnels: measures how long that takes, gives up those that take too long, and tells guards what became of them.
 */
export class LegBuilder {
  readonly #parts: LegBuilderParts;
  #building = 0;

  constructor(parts: LegBuilderParts) {
    this.#parts = parts;
  }

  /** How many are being built. */
  get building(): number {
    return this.#building;
  }

  /** Builds a leg, to be run in the background. It counts from now on. */
  build(leg: Leg, events: LegEvents): Effect.Effect<void> {
    this.#building++;
    return Effect.suspend(() => {
      const { circuits, buildTimes, now } = this.#parts;
      const { timeoutMs, closeMs } = buildTimes.timeouts({ hops: leg.path.length });
      // The time that a channel takes is the channel's (path-spec 2.4: from when the first CREATE is sent).
      const asked = Deferred.makeUnsafe<void>();
      let begun = now();
      const onAsked = (): void => {
        begun = now();
        Deferred.doneUnsafe(asked, Effect.void);
      };
      const onHop = (circuit: ClientCircuit): void => {
        leg.circuit ??= circuit;
        if (circuit.path.length === measuredHops) buildTimes.thirdHopDone(now() - begun, leg.isLate);
        events.onHop(leg, circuit);
      };
      const patience = Effect.gen({ self: this }, function* () {
        yield* Deferred.await(asked);
        yield* Effect.sleep(Duration.millis(timeoutMs));
        leg.isLate = true;
        buildTimes.circuitTimedOut(leg.circuit?.path.length ?? 0);
        events.onLate(leg);
        // A guard that does not answer is found out now; what is slow behind it is measured (as `tor`).
        const guardMs = Math.max(timeoutMs, LEAST_GUARD_PATIENCE_MILLIS);
        if (leg.circuit === undefined) yield* Effect.sleep(Duration.millis(guardMs - timeoutMs));
        if (leg.circuit !== undefined) {
          yield* Effect.sleep(Duration.millis(closeMs - (now() - begun)));
          buildTimes.circuitAbandoned();
        }
        return yield* Effect.fail<BuildProblem>({ _tag: "Late" });
      });
      return buildCircuit(circuits, hopTargets(leg.path, leg.addresses), onAsked, onHop).pipe(
        Effect.mapError((error): BuildProblem => ({ _tag: "HopFailed", error })),
        Effect.raceFirst(patience),
        Effect.raceFirst(Deferred.await(leg.givenUp)),
        Effect.matchEffect({
          onSuccess: () => Effect.sync(() => this.#onBuilt(leg, events)),
          onFailure: (problem) =>
            Effect.suspend(() => {
              this.#onFailed(leg, problem, events);
              return Effect.logDebug(`${events.name}: ${describeProblem(problem)}`);
            }),
        }),
        Effect.onInterrupt(() => Effect.sync(() => this.#drop(leg, "given up", events))),
      );
    });
  }

  /** Ends a leg: nobody is told but its guard's keeper. */
  end(leg: Leg): void {
    if (!this.#close(leg)) return;
    this.#parts.guards.indeterminate(leg.ticket);
    Deferred.doneUnsafe(leg.givenUp, Effect.void);
    leg.circuit?.stop("finished");
  }

  #onBuilt(leg: Leg, events: LegEvents): void {
    if (leg.state !== "building") return;
    this.#building--;
    leg.state = "waiting";
    events.onBuilt(leg);
    // It may have ended in the very moment in which it was built.
    const isOver = leg.circuit?.end !== undefined;
    this.#parts.guards.succeeded(leg.ticket, (usable) => {
      if (leg.state !== "waiting") return;
      if (leg.isLate) this.#drop(leg, "measured", events);
      else if (isOver) this.#drop(leg, "the circuit ended", events);
      else if (!usable) this.#drop(leg, "another guard is used", events, { _tag: "GuardNotUsed" });
      else events.onUsable(leg);
    });
    if (leg.state === "waiting") events.onHeld(leg);
  }

  #onFailed(leg: Leg, problem: BuildProblem, events: LegEvents): void {
    if (!this.#close(leg)) return;
    const { guards, onGuardLost } = this.#parts;
    if (isGuardsFault(leg, problem)) {
      guards.failed(leg.ticket);
      // One that refuses another circuit may well have room for the streams of those that it has.
      if (problem._tag === "Late") onGuardLost(leg);
    } else guards.indeterminate(leg.ticket);
    events.onFailed(leg, describeProblem(problem), problem);
  }

  #drop(leg: Leg, why: string, events: LegEvents, problem?: BuildProblem): void {
    if (leg.state === "ended") return;
    this.end(leg);
    events.onFailed(leg, why, problem);
  }

  #close(leg: Leg): boolean {
    if (leg.state === "ended") return false;
    if (leg.state === "building") this.#building--;
    leg.state = "ended";
    return true;
  }
}

/**
 * Whether what failed says that the guard is not to be used: no channel to it, or no right answer to the first CREATE. What fails behind
 * it may be another's fault (guard-spec 4.7).
 */
const isGuardsFault = ({ circuit }: Leg, problem: BuildProblem): boolean => {
  if (problem._tag === "Late") return circuit === undefined;
  if (problem._tag !== "HopFailed" || problem.error.hop !== 0) return false;
  const { problem: what } = problem.error;
  return !isOurs(what);
};

/** Whether the fault is on this side: no room for another circuit, or the client is ending. */
const isOurs = (problem: HopFailed["problem"]): boolean =>
  problem._tag === "Ended" ||
  (problem._tag === "Channel" && (problem.error._tag === "ChannelsClosed" || problem.error._tag === "ChannelLimit"));
