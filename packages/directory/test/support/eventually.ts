import { type Duration, Effect } from "effect";
import { TestClock } from "effect/testing";

/** Lets what takes real time go on, of which the test's clock knows nothing: packing, unpacking, files. */
export const aTurn: Effect.Effect<void> = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));

/** Moves the clock on, with turns for what takes real time in between, until something holds; fails a test that waits in vain. */
export const eventually = (holds: () => boolean, pace: Duration.Input = "1 second"): Effect.Effect<void> =>
  Effect.gen(function* () {
    const deadline = performance.now() + 10_000;
    while (!holds()) {
      if (performance.now() > deadline) return yield* Effect.die(new Error("it never came to be"));
      yield* TestClock.adjust(pace);
      yield* aTurn;
    }
  });
