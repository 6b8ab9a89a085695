/** What the program's end tells the shell. */
export const ExitCode = {
  /** Done, or ended by a signal in good order. */
  Success: 0,
  /** The relay could not run, or did not end in time. */
  Failure: 1,
  /** The command line is wrong. */
  Usage: 2,
  /** The configuration is wrong. */
  Configuration: 3,
  /** The keys are missing, damaged, or others could get at them. */
  Keys: 4,
} as const;

/** One of the numbers of {@link ExitCode}. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
