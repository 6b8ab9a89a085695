/** What is wrong with a stored history. */
export type BuildTimeStateProblem =
  /** Something is of another type than it should be. */
  | "type"
  /** It was written by a version that this one does not know. */
  | "version"
  /** A number is out of its bounds. */
  | "range"
  /** The bins are not in ascending order, or one stands twice. */
  | "order"
  /** There are more bins, or more build times in them, than are ever kept. */
  | "too-many";

/** A stored history of build times that cannot be used. To begin with an empty one costs some test circuits, no more. */
export class BuildTimeStateError extends Error {
  readonly _tag = "BuildTimeStateError";
  readonly problem: BuildTimeStateProblem;
  /** Where, as in `bins[3][1]`; empty for the whole. */
  readonly path: string;

  constructor(problem: BuildTimeStateProblem, path: string, detail: string) {
    super(`build times${path === "" ? "" : `, ${path}`}: ${detail}`);
    this.problem = problem;
    this.path = path;
  }
}
