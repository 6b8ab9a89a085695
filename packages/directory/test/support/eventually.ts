import { type Duration, Effect } from "effect";
import { TestClock } from "effect/testing";
import { eventLoopTurn } from "../../../../test/support/event-loop.ts";

/** Moves the clock on, with turns for what takes real time in between, until something holds; fails a test that waits in vain. */
export const eventually = (holds: () => boolean, pace: Duration.Input = "1 second"): Effect.Effect<void> =>
  Effect.gen(function* () {
    const deadline = performance.now() + 18_000;
    while (!holds()) {
      if (performance.now() > deadline) return yield* Effect.die(new Error("it never came to be"));
      yield* TestClock.adjust(pace);
      yield* eventLoopTurn;
    }
  });
