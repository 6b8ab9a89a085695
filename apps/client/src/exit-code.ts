import { ExitCode as Common } from "@allium/cli";

/** What the program's end tells the shell. */
export const ExitCode = {
  ...Common,
  /** The data directory cannot be used, or another client uses it. */
  DataDirectory: 4,
} as const;

/** One of the numbers of {@link ExitCode}. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
