import { formatEndpoint } from "@allium/channel";
import type { Logs } from "@allium/cli";
import { Signal } from "@allium/kernel";
import type { ReloadReport, RunningRelay } from "@allium/relay";
import { Effect, type FileSystem, type Path, type Scope } from "effect";
import { loadConfig, type ProgramConfig } from "./config/load.ts";

/** Waits for SIGHUP; several that come meanwhile count as one. Until the scope closes the signal ends nothing. */
export const listenForReload: Effect.Effect<Effect.Effect<void>, never, Scope.Scope> = Effect.gen(function* () {
  const asked = Signal.make();
  const listener = (): void => asked.notify();
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("SIGHUP", listener)),
    () => Effect.sync(() => process.off("SIGHUP", listener)),
  );
  return asked.wait;
});

/** What of a program's own configuration cannot change before a restart. */
const keptByProgram = (current: ProgramConfig, next: ProgramConfig): ReadonlyArray<string> =>
  current.log.format === next.log.format ? [] : ["log_format"];

const describe = ({ changed, kept }: ReloadReport): string =>
  [
    changed.length === 0 ? "nothing has changed" : `changed: ${changed.join(", ")}`,
    ...(kept.length === 0 ? [] : [`only after a restart: ${kept.join(", ")}`]),
  ].join("; ");

/** A relay whose configuration can be read again. */
export interface Reloadable {
  readonly relay: RunningRelay;
  readonly logs: Logs;
  /** What the program runs with; replaced by each reload that succeeds. */
  current: ProgramConfig;
}

/**
 * Reads the configuration again, and takes what of it can be taken. A file that is wrong in any way leaves everything as it was; all
 * its mistakes are logged, as `check-config` shows them.
 */
export const reload = (target: Reloadable): Effect.Effect<void, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const { relay, logs, current } = target;
    yield* Effect.logInfo(`reading ${current.file} again`);
    const next = yield* loadConfig(current.file);
    const { changed, kept } = yield* relay.reload(next.relay);
    logs.setLevel(next.log.level);
    const report: ReloadReport = {
      changed: [
        ...changed,
        ...(current.log.level === next.log.level ? [] : ["log_level"]),
        ...(current.shutdownWaitMillis === next.shutdownWaitMillis ? [] : ["shutdown_wait"]),
        ...(current.shutdownTimeoutMillis === next.shutdownTimeoutMillis ? [] : ["limits.shutdown_seconds"]),
      ],
      kept: [...kept, ...keptByProgram(current, next)],
    };
    target.current = next;
    for (const warning of next.warnings) yield* Effect.logWarning(warning);
    yield* (report.kept.length === 0 ? Effect.logInfo : Effect.logWarning)(`configuration: ${describe(report)}`);
  }).pipe(
    Effect.catchTags({
      ConfigError: ({ message }) =>
        Effect.forEach(["the configuration is wrong, and the one before stays:", ...message.split("\n")], (line) =>
          Effect.logError(line),
        ),
      RelayConfigError: ({ message }) => Effect.logError(`the configuration before stays: ${message}`),
      TransportError: ({ code, endpoint }) =>
        Effect.logError(
          `the configuration before stays: metrics.listen: cannot listen on ${formatEndpoint(endpoint)} (${code})`,
        ),
    }),
  );
