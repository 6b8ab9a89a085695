import type { Cause } from "effect";

/** Where a supervised task stands. Times are milliseconds of the `Clock`. */
export interface TaskState {
  readonly name: string;
  /**
   * `running`; `waiting` for its next start after a failure; `done`, since it ended and its policy lets it; `failed`, which has
   * ended the supervisor; `stopped` with the supervisor; `overdue`, when it did not stop in time and is no longer waited for.
   */
  readonly status: "running" | "waiting" | "done" | "failed" | "stopped" | "overdue";
  /** How often it was started again. */
  readonly restarts: number;
  /** Why it last failed, also if it has run since. */
  readonly lastFailure: Cause.Cause<unknown> | undefined;
  /** Since when `status` is what it is. */
  readonly since: number;
}
