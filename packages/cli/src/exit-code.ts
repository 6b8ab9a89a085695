/** What the end of a program tells the shell. A program has further ones from 4 on. */
export const ExitCode = {
  /** Done, or ended by a signal in good order. */
  Success: 0,
  /** The program could not do its work, or did not end in time. */
  Failure: 1,
  /** The command line is wrong. */
  Usage: 2,
  /** The configuration is wrong. */
  Configuration: 3,
} as const;
