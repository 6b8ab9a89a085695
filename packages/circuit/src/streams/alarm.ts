import { type Clock, Duration, Effect, type Fiber } from "effect";
import { type Micros, microsOfNanos } from "../congestion/index.ts";

/** Calls somebody at a time of the Clock, for those who have no fiber that could sleep. */
export class Alarm {
  private readonly clock: Clock.Clock;
  private readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>;
  private readonly ring: () => void;
  private at: Micros | undefined;
  private sleeper: Fiber.Fiber<void> | undefined;

  constructor(clock: Clock.Clock, fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>, ring: () => void) {
    this.clock = clock;
    this.fork = fork;
    this.ring = ring;
  }

  /** Rings at this time in place of the one before, or not at all. */
  set(at: Micros | undefined): void {
    if (at === this.at) return;
    this.sleeper?.interruptUnsafe();
    this.sleeper = undefined;
    this.at = at;
    if (at === undefined) return;
    const micros = Math.max(1, at - microsOfNanos(this.clock.monotonicTimeNanosUnsafe()));
    this.sleeper = this.fork(
      Effect.andThen(
        Effect.sleep(Duration.micros(BigInt(micros))),
        Effect.sync(() => this.onTime()),
      ),
    );
  }

  private onTime(): void {
    this.at = undefined;
    this.sleeper = undefined;
    this.ring();
  }
}
