import { Layer, Logger, LogLevel, Option, References } from "effect";

/** The least that is logged, from `error` to `trace`. */
export const LOG_LEVELS = ["error", "warn", "info", "debug", "trace"] as const;

/** How a line of the log is written. */
export const LOG_FORMATS = ["logfmt", "json"] as const;

/** How a program logs. */
export interface LogConfig {
  readonly level: (typeof LOG_LEVELS)[number];
  readonly format: (typeof LOG_FORMATS)[number];
}

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
 * Logs to standard error, one line for each message. Nothing that is logged at `info` or above tells who uses the program, or for what.
 *
 * @param asked the level of the command line, which goes before that of the configuration
 * @param around has each line written: for whoever shows something else at the same place
 */
export const makeLogs = (
  config: LogConfig,
  asked: Option.Option<LogLevel.LogLevel>,
  around: (write: () => void) => void = (write) => write(),
): Logs => {
  const chosen = (level: LogConfig["level"]): LogLevel.LogLevel => Option.getOrElse(asked, () => levels[level]);
  let current = chosen(config.level);
  const write = Logger.withConsoleError(config.format === "json" ? Logger.formatJson : Logger.formatLogFmt);
  // The level of a fiber is fixed when it starts, and the fibers of these programs live long: so all is let through to here.
  const logger = Logger.make<unknown, void>((message) => {
    if (LogLevel.isGreaterThanOrEqualTo(message.logLevel, current)) around(() => write.log(message));
  });
  return {
    layer: Layer.mergeAll(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "All")),
    setLevel: (level) => {
      current = chosen(level);
    },
  };
};
