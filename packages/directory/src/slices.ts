import type { Steps } from "@allium/netdoc";
import { Clock, Effect } from "effect";

/** How long work on a document goes on before others have a turn, in nanoseconds: 3 ms. */
const SLICE_NANOS = 3_000_000n;

/**
 * Does work that comes in steps, and lets everybody else have a turn whenever a slice of time is used up: a large document
 * does not hold up a circuit.
 *
 * @param steps made when the work begins
 * @param onThrow makes an error of what a step throws; it throws again what it does not know, which is a bug
 */
export const inSlices = <A, E>(steps: () => Steps<A>, onThrow: (cause: unknown) => E): Effect.Effect<A, E> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock;
    let work: Steps<A> | undefined;
    const slice = Effect.suspend(() => {
      const end = clock.monotonicTimeNanosUnsafe() + SLICE_NANOS;
      try {
        work ??= steps();
        for (;;) {
          const step = work.next();
          if (step.done === true) return Effect.succeed({ value: step.value });
          if (clock.monotonicTimeNanosUnsafe() >= end) return Effect.undefined;
        }
      } catch (cause) {
        return Effect.fail(onThrow(cause));
      }
    });
    for (;;) {
      const done = yield* slice;
      if (done !== undefined) return done.value;
      yield* Effect.yieldNow;
    }
  });
