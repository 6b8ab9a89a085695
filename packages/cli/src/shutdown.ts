import { constants } from "node:os";
import { Signal } from "@allium/kernel";
import { Cause, Duration, Effect, Exit, Fiber, Option, type Scope } from "effect";
import { ShutdownTimeout } from "./errors.ts";

const endAtOnce: (signal: NodeJS.Signals) => never = (signal) => process.exit(128 + constants.signals[signal]);

/** What has been asked of the program by SIGINT and SIGTERM. */
export interface EndRequests {
  /** The first of them that came. */
  readonly first: () => NodeJS.Signals | undefined;
  /** Waits for a further one. From the first on, one that nobody waits for ends the process at once. */
  readonly another: Effect.Effect<void>;
}

/** Listens to SIGINT and SIGTERM until the scope closes. */
export const listenForEnd: Effect.Effect<EndRequests, never, Scope.Scope> = Effect.gen(function* () {
  let first: NodeJS.Signals | undefined;
  let isAwaited = false;
  const another = Signal.make();
  const listener = (signal: NodeJS.Signals): void => {
    if (first === undefined) first = signal;
    else if (isAwaited) another.notify();
    else endAtOnce(signal);
  };
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      // Before the runtime's own, which interrupts the program at once: by then it must be known which signal it was.
      process.prependListener("SIGINT", listener);
      process.prependListener("SIGTERM", listener);
    }),
    () =>
      Effect.sync(() => {
        process.off("SIGINT", listener);
        process.off("SIGTERM", listener);
      }),
  );
  return {
    first: () => first,
    another: Effect.suspend(() => {
      isAwaited = true;
      return another.wait;
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          isAwaited = false;
        }),
      ),
    ),
  };
});

/** What is under way when a program is to end. */
export interface Unfinished {
  /** How many there are, of what: `open circuits`. */
  readonly count: number;
  readonly name: string;
  /** Takes nothing new, and waits until they have ended; no longer than this, in milliseconds. */
  readonly drain: (waitMillis: number) => Effect.Effect<unknown>;
}

/** Lets what is under way go on for a while, if it was SIGINT that asked for the end, and no second signal comes. */
export const letFinish = (
  { first, another }: EndRequests,
  waitMillis: number,
  { count, name, drain }: Unfinished,
): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (first() !== "SIGINT" || waitMillis === 0 || count === 0) return;
    yield* Effect.logInfo(
      `ending when the ${count} ${name} have ended, in ${Duration.format(Duration.millis(waitMillis))} at the latest; ` +
        "nothing new is accepted; a second signal ends now",
    );
    yield* Effect.raceFirst(Effect.interruptible(drain(waitMillis)), Effect.interruptible(another));
  });

/**
 * Runs something until it is interrupted, gives it a time to end in, and is done: an end on request is a success. It is itself
 * not interruptible beyond that, so that the caller can finish its own work and choose the exit code.
 *
 * @param onStop runs when the request comes, and before anything is ended
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
