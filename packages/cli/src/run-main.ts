import * as NodeRuntime from "@effect/platform-node/NodeRuntime";
import { Cause, Console, Effect, Exit, Runtime } from "effect";
import { CliError } from "effect/cli";
import { ExitCode } from "./exit-code.ts";

/** Whether whoever has met an error has said so. */
const isLogged = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "isLogged" in error && error.isLogged === true;

/** Says what ended the program, unless it was said already: by its log, or by the help that comes with a wrong command line. */
const report = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void;
  if (Cause.hasDies(cause)) return Console.error(`internal error, please report it: ${Cause.pretty(cause)}`);
  const error = Cause.squash(cause);
  if (CliError.isCliError(error) || isLogged(error)) return Effect.void;
  return Console.error(error instanceof Error ? error.message : String(error));
};

/**
 * Runs the program to its end, and ends the process with the exit code that belongs to it. SIGINT and SIGTERM interrupt those
 * parts of it that say that they are interruptible: what runs ends in good order first, and only then is the exit code chosen.
 * An error with `isLogged: true` is not printed again.
 */
export const runMain = <E>(program: Effect.Effect<void, E>): void => {
  // The fiber's own exit says no more than that it was interrupted, if it ever was.
  let ended: Exit.Exit<unknown, unknown> | undefined;
  program.pipe(
    Effect.tapCause(report),
    Effect.onExit((exit) =>
      Effect.sync(() => {
        ended = exit;
      }),
    ),
    Effect.uninterruptible,
    NodeRuntime.runMain({
      disableErrorReporting: true,
      teardown: (exit, onExit) => {
        const outcome: Exit.Exit<unknown, unknown> = ended ?? exit;
        const wrongUsage = Exit.isFailure(outcome) && CliError.isCliError(Cause.squash(outcome.cause));
        if (wrongUsage) onExit(ExitCode.Usage);
        else Runtime.defaultTeardown(outcome, onExit);
      },
    }),
  );
};
