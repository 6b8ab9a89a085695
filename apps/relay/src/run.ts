import { formatEndpoint, layerEntropy, NodeTransport, type TransportError } from "@allium/channel";
import { type RelayError, runRelay } from "@allium/relay";
import { Cause, Effect, Exit, Layer, type LogLevel, type Option } from "effect";
import type { ProgramConfig } from "./config/load.ts";
import { RelayStopped, ShutdownTimeout } from "./errors.ts";
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
    case "SigningKeyError":
      return ExitCode.Keys;
    default:
      return ExitCode.Failure;
  }
};

/** Why the relay cannot listen, and what can be done about it. */
const describeListening = ({ code, endpoint, message }: TransportError): string => {
  const where = formatEndpoint(endpoint);
  switch (code) {
    case "EADDRINUSE":
      return `cannot listen on ${where} (${code}): another program does, perhaps this relay already; change or_port`;
    case "EACCES":
      return `cannot listen on ${where} (${code}): ports below 1024 need a permission; change or_port`;
    case "EADDRNOTAVAIL":
      return `cannot listen on ${where} (${code}): this machine has no such address; change or_port`;
    default:
      return `cannot listen: ${message}`;
  }
};

const stopped = (error: RelayError): RelayStopped =>
  new RelayStopped({
    exitCode: exitCodeOf(error),
    detail: error._tag === "TransportError" ? describeListening(error) : error.message,
    cause: error,
  });

/** Says once why the relay is over. What the operator can mend is said in words; a stack helps only with a bug. */
const logEnd = (cause: Cause.Cause<RelayStopped | ShutdownTimeout>): Effect.Effect<void> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void;
  const error = Cause.squash(cause);
  if (error instanceof ShutdownTimeout) return Effect.logError(error.message);
  if (!(error instanceof RelayStopped)) return Effect.logError("internal error, please report it", cause);
  const within = error.cause;
  return within._tag === "RelayFailed" && Exit.isExit(within.cause) && Exit.isFailure(within.cause)
    ? Effect.logError(error.message, within.cause.cause)
    : Effect.logError(error.message);
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
      runRelay(config.relay).pipe(Effect.provide(platform), Effect.mapError(stopped)),
      config.shutdownTimeoutMillis,
      Effect.logInfo("ending: closing circuits and channels; a second signal ends at once"),
    );
    yield* Effect.logInfo("ended");
  }).pipe(Effect.scoped, Effect.tapCause(logEnd), Effect.provide(logLayer(config.log, logLevel)));
