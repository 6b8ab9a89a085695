import { layerEntropy, NodeTransport } from "@allium/channel";
import { type RelayError, runRelay } from "@allium/relay";
import { Effect, Layer, type LogLevel, type Option } from "effect";
import type { ProgramConfig } from "./config/load.ts";
import { RelayStopped } from "./errors.ts";
import { ExitCode } from "./exit-code.ts";
import { logLayer } from "./log.ts";
import { endAtSecondSignal, untilInterrupted } from "./shutdown.ts";

const exitCodeOf = (error: RelayError): ExitCode => {
  switch (error._tag) {
    case "RelayConfigError":
      return ExitCode.Configuration;
    case "KeyFileError":
    case "KeyMissingError":
    case "KeyPermissionsError":
    case "IncompleteIdentityError":
      return ExitCode.Keys;
    default:
      return ExitCode.Failure;
  }
};

const platform = Layer.merge(layerEntropy, NodeTransport.layer);

/**
 * Runs a relay on this machine until a signal ends it. What goes wrong is logged here.
 *
 * @param logLevel of the command line
 */
export const run = (config: ProgramConfig, logLevel: Option.Option<LogLevel.LogLevel>) =>
  Effect.gen(function* () {
    yield* endAtSecondSignal;
    for (const warning of config.warnings) yield* Effect.logWarning(warning);
    yield* Effect.logInfo("starting").pipe(
      Effect.annotateLogs({ config: config.file, nickname: config.relay.nickname, dataDir: config.relay.dataDir }),
    );
    yield* untilInterrupted(
      runRelay(config.relay).pipe(Effect.provide(platform)),
      config.shutdownTimeoutMillis,
      Effect.logInfo("ending: closing circuits and channels; a second signal ends at once"),
    );
    yield* Effect.logInfo("ended");
  }).pipe(
    Effect.scoped,
    Effect.mapError((error) =>
      error._tag === "ShutdownTimeout" ? error : new RelayStopped({ exitCode: exitCodeOf(error), cause: error }),
    ),
    Effect.tapCause((cause) => Effect.logError(cause)),
    Effect.provide(logLayer(config.log, logLevel)),
  );
