export { type CheckConfigOptions, checkConfigCommand, configFlag, runCommandLine } from "./command-line.ts";
export { type ConfigSchema, ConfigText, decodeConfig, knownKeys } from "./config/decode.ts";
export { ConfigError, type ConfigProblem } from "./config/errors.ts";
export { type AuthorityKeys, loadAuthorities, type ReadConfig, readConfig } from "./config/files.ts";
export type { KeyPath } from "./config/locate.ts";
export {
  authorityKeys,
  type ProgramKeys,
  type ProgramSettings,
  programKeys,
  programLimits,
  programSettings,
} from "./config/program.ts";
export { suggestion } from "./config/suggest.ts";
export { formatSummary, mebibytes, yesOrNo } from "./config/summary.ts";
export * as Values from "./config/values.ts";
export { ShutdownTimeout, UsageError } from "./errors.ts";
export { ExitCode } from "./exit-code.ts";
export { describeListening, isLoopback } from "./listening.ts";
export { LOG_FORMATS, LOG_LEVELS, type LogConfig, type Logs, makeLogs } from "./log.ts";
export { runMain } from "./run-main.ts";
export { type EndRequests, letFinish, listenForEnd, type Unfinished, untilInterrupted } from "./shutdown.ts";
