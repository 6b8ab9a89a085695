import { Layer, Logger, LogLevel, Option, References } from "effect";
import type { LogConfig } from "./config/load.ts";

const levels: Readonly<Record<LogConfig["level"], LogLevel.LogLevel>> = {
  error: "Error",
  warn: "Warn",
  info: "Info",
  debug: "Debug",
  trace: "Trace",
};

/** The logs of a program that runs. */
export interface Logs {
  readonly layer: Layer.Layer<never>;
  /** Logs at another level from now on, unless the command line has chosen one. */
  readonly setLevel: (level: LogConfig["level"]) => void;
}

/**
 * Logs to standard error, one line for each message. Nothing that is logged at `info` or above tells who uses the relay.
 *
 * @param asked the level of the command line, which goes before that of the configuration
 */
export const makeLogs = (config: LogConfig, asked: Option.Option<LogLevel.LogLevel>): Logs => {
  const chosen = (level: LogConfig["level"]): LogLevel.LogLevel => Option.getOrElse(asked, () => levels[level]);
  let current = chosen(config.level);
  const write = Logger.withConsoleError(config.format === "json" ? Logger.formatJson : Logger.formatLogFmt);
  // The level of a fiber is fixed when it starts, and a relay's fibers live long: so all is let through to here.
  const logger = Logger.make<unknown, void>((message) => {
    if (LogLevel.isGreaterThanOrEqualTo(message.logLevel, current)) write.log(message);
  });
  return {
    layer: Layer.mergeAll(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "All")),
    setLevel: (level) => {
      current = chosen(level);
    },
  };
};
