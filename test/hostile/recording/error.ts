/** A recording that cannot be read, or not be played: where, and what is wrong there. */
export class RecordingError extends Error {
  readonly _tag = "RecordingError";
  /** The file or the step. */
  readonly where: string;
  readonly problem: string;

  constructor(where: string, problem: string) {
    super(`${where}: ${problem}`);
    this.where = where;
    this.problem = problem;
  }
}
