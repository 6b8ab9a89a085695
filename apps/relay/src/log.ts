import { Layer, Logger, type LogLevel, Option, References } from "effect";
import type { LogConfig } from "./config/load.ts";

const levels: Readonly<Record<LogConfig["level"], LogLevel.LogLevel>> = {
  error: "Error",
  warn: "Warn",
  info: "Info",
  debug: "Debug",
  trace: "Trace",
};

/**
 * Logs to standard error, one line for each message. Nothing that is logged at `info` or above tells who uses the relay.
 *
 * @param asked the level of the command line, which goes before that of the configuration
 */
export const logLayer = (config: LogConfig, asked: Option.Option<LogLevel.LogLevel>): Layer.Layer<never> =>
  Layer.mergeAll(
    Logger.layer([Logger.withConsoleError(config.format === "json" ? Logger.formatJson : Logger.formatLogFmt)]),
    Layer.succeed(
      References.MinimumLogLevel,
      Option.getOrElse(asked, () => levels[config.level]),
    ),
  );
