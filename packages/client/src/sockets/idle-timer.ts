import { Clock, Context, Effect, type Fiber } from "effect";

/** The clock of a program that has said nothing of it. */
export const defaultClock = Context.get(Context.empty(), Clock.Clock);

/** The timeout of a socket as the platform's sockets have it: it tells of a time in which nothing happened, and ends nothing. */
export class IdleTimer {
  private readonly clock: Clock.Clock;
  private readonly expired: () => void;
  private millis = 0;
  /** When something happened last. */
  private last = 0n;
  private sleeper: Fiber.Fiber<void> | undefined = undefined;

  constructor(clock: Clock.Clock, expired: () => void) {
    this.clock = clock;
    this.expired = expired;
  }

  /** Starts anew. @param millis 0 turns it off */
  set(millis: number): void {
    this.sleeper?.interruptUnsafe();
    this.sleeper = undefined;
    this.millis = millis;
    this.touch();
  }

  /** Something happened. */
  touch(): void {
    if (this.millis <= 0) return;
    this.last = this.clock.monotonicTimeNanosUnsafe();
    if (this.sleeper === undefined) this.sleep(this.millis);
  }

  private sleep(millis: number): void {
    const wake = Effect.sync(() => this.onTime());
    this.sleeper = Effect.runFork(
      Effect.andThen(Effect.sleep(millis), wake).pipe(Effect.provideService(Clock.Clock, this.clock)),
    );
  }

  /** What happened meanwhile has only been noted: a socket in use does not set a timer for each chunk. */
  private onTime(): void {
    this.sleeper = undefined;
    const idle = Number((this.clock.monotonicTimeNanosUnsafe() - this.last) / 1_000_000n);
    if (idle < this.millis) this.sleep(this.millis - idle);
    else this.expired();
  }
}
