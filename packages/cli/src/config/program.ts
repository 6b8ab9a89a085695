import { Schema } from "effect";
import { LOG_FORMATS, LOG_LEVELS, type LogConfig } from "../log.ts";
import type { ReadConfig } from "./files.ts";
import { integer, line, oneOf, optional, path, withDefault } from "./values.ts";

/** The keys at the top of a file that say whom to trust: see `loadAuthorities`. */
export const authorityKeys = {
  authorities: optional(Schema.Array(line("a DirAuthority line as in torrc"))),
  authorities_file: optional(path),
} as const;

/**
 * The keys at the top of a file that every program has: how it logs, and how it ends.
 *
 * @param waitSeconds how long SIGINT lets things go on where the file does not say
 */
export const programKeys = (waitSeconds: number) => ({
  log_level: withDefault(oneOf(LOG_LEVELS), "info"),
  log_format: withDefault(oneOf(LOG_FORMATS), "logfmt"),
  shutdown_wait: withDefault(integer(0, 86_400), waitSeconds),
});

/** The keys of the table `[limits]` that every program has: how long an orderly end may take after that wait. */
export const programLimits = {
  shutdown_seconds: withDefault(integer(1, 3_600), 10),
} as const;

/** What these keys say. */
export interface ProgramKeys {
  readonly log_level: LogConfig["level"];
  readonly log_format: LogConfig["format"];
  readonly shutdown_wait: number;
  readonly limits: { readonly shutdown_seconds: number };
}

/** What every program is run with, beside its own work. */
export interface ProgramSettings {
  /** The file that it was read from, as an absolute path. */
  readonly file: string;
  readonly log: LogConfig;
  /** How long SIGINT lets what is under way go on, in milliseconds. */
  readonly shutdownWaitMillis: number;
  /** How long an orderly end may take after that, in milliseconds. */
  readonly shutdownTimeoutMillis: number;
  /** What the user should know before the program starts; each names its place in the file. */
  readonly warnings: ReadonlyArray<string>;
}

/** The part of a configuration that every program has. */
export const programSettings = (
  { file, said }: Pick<ReadConfig<ProgramKeys>, "file" | "said">,
  warnings: ReadonlyArray<string>,
): ProgramSettings => ({
  file,
  log: { level: said.log_level, format: said.log_format },
  shutdownWaitMillis: said.shutdown_wait * 1_000,
  shutdownTimeoutMillis: said.limits.shutdown_seconds * 1_000,
  warnings,
});
