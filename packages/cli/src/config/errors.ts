import { Data, Runtime } from "effect";
import { ExitCode } from "../exit-code.ts";

/** One thing that is wrong with the configuration. */
export interface ConfigProblem {
  /** The file that it is in: the configuration, or one that the configuration names. */
  readonly file: string;
  /** The line, from one; `undefined` if it is something that is not there. */
  readonly line: number | undefined;
  /** The key, with its table, as in `exit.policy`; `undefined` if the file as a whole is wrong. */
  readonly key: string | undefined;
  readonly detail: string;
}

/** A problem as text: `relay.toml:7: or_port: expected …`. */
export const formatProblem = ({ file, line, key, detail }: ConfigProblem): string =>
  `${file}${line === undefined ? "" : `:${line}`}: ${key === undefined ? "" : `${key}: `}${detail}`;

/** A configuration that the program cannot be run with. It tells all that is wrong with it, not only what comes first. */
export class ConfigError extends Data.TaggedError("ConfigError")<{ readonly problems: ReadonlyArray<ConfigProblem> }> {
  override readonly [Runtime.errorExitCode] = ExitCode.Configuration;
  override get message(): string {
    return this.problems.map(formatProblem).join("\n");
  }
}
