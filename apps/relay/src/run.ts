import { layerEntropy, NodeTransport, type TransportError } from "@allium/channel";
import {
  describeListening,
  letFinish,
  listenForEnd,
  makeLogs,
  ShutdownTimeout,
  type Unfinished,
  untilInterrupted,
} from "@allium/cli";
import { type RelayError, type RunningRelay, startRelay } from "@allium/relay";
import { Cause, Effect, Exit, Layer, type LogLevel, type Option } from "effect";
import packageJson from "../package.json" with { type: "json" };
import type { ProgramConfig } from "./config/load.ts";
import { RelayStopped } from "./errors.ts";
import { ExitCode } from "./exit-code.ts";
import { registerProcessMetrics } from "./process-metrics.ts";
import { listenForReload, type Reloadable, reload } from "./reload.ts";

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

const describeTransport = (error: TransportError, { relay }: ProgramConfig): string =>
  describeListening(error, error.endpoint.port === relay.orPort.port ? "or_port" : "metrics.listen", "this relay");

const stopped =
  (config: ProgramConfig) =>
  (error: RelayError): RelayStopped =>
    new RelayStopped({
      exitCode: exitCodeOf(error),
      detail: error._tag === "TransportError" ? describeTransport(error, config) : error.message,
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

/** The circuits that a relay has, which SIGINT lets finish. */
const circuitsOf = (relay: RunningRelay): Unfinished => ({
  count: relay.circuits.circuits().length,
  name: "open circuits",
  drain: (waitMillis) => relay.drain(waitMillis),
});

const platform = Layer.merge(layerEntropy, NodeTransport.layer);

/**
 * Runs a relay on this machine until a signal ends it. What goes wrong is logged here.
 *
 * @param logLevel of the command line
 */
export const run = (config: ProgramConfig, logLevel: Option.Option<LogLevel.LogLevel>) => {
  const logs = makeLogs(config.log, logLevel);
  return Effect.gen(function* () {
    const endRequests = yield* listenForEnd;
    const reloadAsked = yield* listenForReload;
    let running: Reloadable | undefined;
    for (const warning of config.warnings) yield* Effect.logWarning(warning);
    yield* Effect.logInfo("starting").pipe(
      Effect.annotateLogs({ config: config.file, nickname: config.relay.nickname, dataDir: config.relay.dataDir }),
    );
    const program = Effect.gen(function* () {
      yield* registerProcessMetrics(packageJson.version);
      const relay = yield* startRelay(config.relay);
      const target: Reloadable = { relay, logs, current: config };
      running = target;
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(reloadAsked, reload(target))));
      return yield* relay.failed;
    }).pipe(Effect.scoped, Effect.provide(platform), Effect.mapError(stopped(config)));
    yield* untilInterrupted(
      program,
      config.shutdownTimeoutMillis,
      Effect.gen(function* () {
        if (running !== undefined)
          yield* letFinish(endRequests, running.current.shutdownWaitMillis, circuitsOf(running.relay));
        yield* Effect.logInfo("ending: closing circuits and channels; a further signal ends at once");
      }),
    );
    yield* Effect.logInfo("ended");
  }).pipe(Effect.scoped, Effect.tapCause(logEnd), Effect.provide(logs.layer));
};
