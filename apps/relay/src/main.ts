#!/usr/bin/env node
import { NodeRuntime, NodeServices } from "@effect/platform-node";
import { Cause, Console, Effect, Exit, Layer, Runtime } from "effect";
import { CliConfig, CliError, Command, GlobalFlag } from "effect/cli";
import packageJson from "../package.json" with { type: "json" };
import { command } from "./cli.ts";
import { RelayStopped, ShutdownTimeout } from "./errors.ts";
import { ExitCode } from "./exit-code.ts";

const cli = CliConfig.layer({
  builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel],
});

/** Says what ended the program, unless it was said already: the relay logs, and help comes with mistakes of the command line. */
const report = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void;
  if (Cause.hasDies(cause)) return Console.error(`internal error, please report it: ${Cause.pretty(cause)}`);
  const error = Cause.squash(cause);
  if (CliError.isCliError(error) || error instanceof RelayStopped || error instanceof ShutdownTimeout)
    return Effect.void;
  return Console.error(error instanceof Error ? error.message : String(error));
};

/** How the command ended; the fiber's own exit says no more than that it was interrupted, if it ever was. */
let ended: Exit.Exit<void, unknown> | undefined;

const teardown: Runtime.Teardown = (exit, onExit) => {
  const outcome = ended ?? exit;
  const wrongUsage = Exit.isFailure(outcome) && CliError.isCliError(Cause.squash(outcome.cause));
  if (wrongUsage) onExit(ExitCode.Usage);
  else Runtime.defaultTeardown(outcome, onExit);
};

// Interruptible are only those parts that say so: a relay ends in good order first, and only then is the exit code chosen.
Command.run(command, { version: packageJson.version }).pipe(
  Effect.tapCause(report),
  Effect.provide(Layer.merge(cli, NodeServices.layer)),
  Effect.onExit((exit) =>
    Effect.sync(() => {
      ended = exit;
    }),
  ),
  Effect.uninterruptible,
  NodeRuntime.runMain({ disableErrorReporting: true, teardown }),
);
