import { Alarm, Micros, microsOfNanos } from "@allium/circuit";
import type { Clock, Effect, Fiber } from "effect";
import { LOST_CELLS_TIMEOUT_US } from "../limits.ts";
import type { ConfluxSet } from "./conflux-set.ts";

/** What tells the time. */
export interface LostCellsOptions {
  readonly set: ConfluxSet;
  readonly clock: Clock.Clock;
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>;
}

/**
 * Sees to it that a set does not wait for ever for cells that went with one of its legs: less than a SENDME's worth may be lost without
 * either end knowing (`fateOfSet`), and then what came on other legs waits for them. As long as no leg has ended nothing can be lost,
 * and a leg may be as slow as it likes.
 */
export class LostCells {
  private readonly set: ConfluxSet;
  private readonly clock: Clock.Clock;
  private readonly alarm: Alarm;
  /** What had been delivered as the alarm was set; none while it is not. */
  private since: number | undefined = undefined;
  private isTime = false;

  constructor({ set, clock, fork }: LostCellsOptions) {
    this.set = set;
    this.clock = clock;
    this.alarm = new Alarm(clock, fork, () => {
      this.isTime = true;
      set.signal.notify();
    });
  }

  /** Looked at when nothing is left that could be handed on: whether the set waits for what does not come any more. */
  look(): boolean {
    const { set, isTime, since } = this;
    if (!set.hasLostLeg) return false;
    const { queue, sequence } = set.receiver;
    if (isTime) {
      this.isTime = false;
      this.since = undefined;
    }
    if (queue.trains === 0 || !set.isHungry) return false;
    const { delivered } = sequence;
    if (sequence.hasPassed && !set.resumes && set.members.length === set.legs.length) return true;
    if (isTime && since === delivered) return true;
    if (this.since === undefined) {
      this.since = delivered;
      this.alarm.set(Micros(microsOfNanos(this.clock.monotonicTimeNanosUnsafe()) + LOST_CELLS_TIMEOUT_US));
    }
    return false;
  }

  /** The set is over. */
  end(): void {
    this.alarm.set(undefined);
  }
}
