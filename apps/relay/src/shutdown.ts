import { constants } from "node:os";
import { Cause, Effect, Exit, Fiber, Option, type Scope } from "effect";
import { ShutdownTimeout } from "./errors.ts";

const endAtOnce: (signal: NodeJS.Signals) => never = (signal) => process.exit(128 + constants.signals[signal]);

/** From the second SIGINT or SIGTERM on, until the scope closes, a signal ends the process at once. */
export const endAtSecondSignal: Effect.Effect<void, never, Scope.Scope> = Effect.asVoid(
  Effect.acquireRelease(
    Effect.sync(() => {
      let signals = 0;
      const listener = (signal: NodeJS.Signals): void => {
        signals++;
        if (signals > 1) endAtOnce(signal);
      };
      process.on("SIGINT", listener);
      process.on("SIGTERM", listener);
      return listener;
    }),
    (listener) =>
      Effect.sync(() => {
        process.off("SIGINT", listener);
        process.off("SIGTERM", listener);
      }),
  ),
);

/**
 * Runs something until it is interrupted, gives it a time to end in, and is done: an end on request is a success. It is itself
 * not interruptible beyond that, so that the caller can finish its own work and choose the exit code.
 *
 * @param onStop runs when the request comes
 */
export const untilInterrupted = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  timeoutMillis: number,
  onStop: Effect.Effect<void>,
): Effect.Effect<void, E | ShutdownTimeout, R> =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      const fiber = yield* Effect.forkDetach(Effect.interruptible(effect));
      const exit = yield* Effect.exit(Effect.interruptible(Fiber.join(fiber)));
      if (Exit.isSuccess(exit)) return;
      if (!Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.failCause(exit.cause);
      yield* onStop;
      // What holds up the end may be uninterruptible: then it is left behind, and ends with the process.
      const ended = yield* Effect.forkDetach(Fiber.interrupt(fiber)).pipe(
        Effect.flatMap((ending) => Effect.timeoutOption(Effect.interruptible(Fiber.join(ending)), timeoutMillis)),
      );
      if (Option.isNone(ended)) return yield* new ShutdownTimeout({ timeoutMillis });
    }),
  );
