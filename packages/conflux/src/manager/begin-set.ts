import type { Entropy } from "@allium/channel";
import {
  type CircuitContext,
  type CircuitError,
  CircuitLimit,
  type CircuitLimits,
  CircuitProtocolError,
  type CircuitStop,
  errorOfCause,
  isEndingOpener,
  meaningOf,
  type StreamHandling,
  type StreamOpener,
} from "@allium/circuit";
import type { GroupHost, MemoryAccount, MemoryQuota, ReactorGroup } from "@allium/kernel";
import { type Clock, Effect, type Fiber } from "effect";
import type { ConfluxParams } from "../params.ts";
import type { ConfluxScheduler } from "../schedule/scheduler.ts";
import { ConfluxSet } from "../set/conflux-set.ts";
import { CONTROLLER, type ControllerOptions, makeController } from "../set/controller.ts";
import { LostCells } from "../set/lost-cells.ts";

/** What all sets of a process stand on. */
export interface SetHome {
  readonly groups: GroupHost;
  readonly clock: Clock.Clock;
  readonly entropy: Entropy["Service"];
  readonly limits: CircuitLimits;
  readonly handling: StreamHandling["Service"];
  readonly quota: MemoryQuota;
  readonly params: () => ConfluxParams;
  readonly scheduler: (ux: number) => ConfluxScheduler;
  /** Runs an effect in a fiber. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>;
}

/** What the streams of a set are given. */
class SetContext implements CircuitContext {
  private readonly home: SetHome;
  private readonly set: ConfluxSet;
  private readonly makeOpener: () => StreamOpener;
  private made: StreamOpener | undefined = undefined;

  constructor(home: SetHome, set: ConfluxSet, makeOpener: () => StreamOpener) {
    this.home = home;
    this.set = set;
    this.makeOpener = makeOpener;
  }

  get name(): string {
    return this.set.name;
  }

  get group(): ReactorGroup<CircuitError, CircuitStop> {
    return this.set.group;
  }

  get clock(): Clock.Clock {
    return this.home.clock;
  }

  get entropy(): Entropy["Service"] {
    return this.home.entropy;
  }

  get opener(): StreamOpener {
    this.made ??= this.makeOpener();
    return this.made;
  }

  get limits(): CircuitLimits {
    return this.home.limits;
  }

  get memory(): MemoryAccount {
    return this.set.account;
  }

  /** The set is over. */
  end(): void {
    if (this.made !== undefined && isEndingOpener(this.made)) this.made.onCircuitEnd();
  }
}

/** A set, and what its controller was given. */
export interface BegunSet {
  readonly set: ConfluxSet;
  readonly options: ControllerOptions;
}

/**
 * What legs end with that their set ends with it: the fault of its streams, which none of them noticed, or that it has waited for memory.
 * What one of them has failed with is no reason for the others.
 */
const reasonForLegs = (cause: ConfluxSet["group"]["cause"]): CircuitStop => {
  if (cause?._tag === "Stopped" && cause.reason === "memory") return "memory";
  const error = cause?._tag === "ReactorEnded" && cause.reactor !== CONTROLLER ? errorOfCause(cause) : undefined;
  return error instanceof CircuitProtocolError || error instanceof CircuitLimit ? error : "finished";
};

/**
 * Begins a set, without legs: its group and its controller. When it ends, so do all of its legs.
 *
 * @param makeOpener makes what opens streams that the other end asks for
 * @param onEnd told when all of it is released
 */
export const beginSet = (
  home: SetHome,
  name: string,
  makeOpener: () => StreamOpener,
  onEnd: (set: ConfluxSet) => void,
): BegunSet => {
  const group: ConfluxSet["group"] = home.groups.make<CircuitError, CircuitStop>({
    name,
    onRelease: () => {
      context.end();
      lost.end();
      set.release();
      const { cause } = group;
      if (cause !== undefined && meaningOf(cause).level === "error") {
        home.fork(Effect.logError(`${name} ended by a defect`, cause));
      }
      const reason = reasonForLegs(cause);
      for (const { circuit } of set.members) circuit.stop(reason);
      onEnd(set);
    },
  });
  const set = new ConfluxSet({ name, group, quota: home.quota, scheduler: home.scheduler, params: home.params() });
  const context = new SetContext(home, set, makeOpener);
  const lost = new LostCells({ set, clock: home.clock, fork: home.fork });
  const options: ControllerOptions = { set, handling: home.handling, context, lost };
  group.startTurns(makeController(options));
  return { set, options };
};
