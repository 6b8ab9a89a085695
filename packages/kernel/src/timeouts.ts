/**
 * Every time and limit of the kernel by name. All times run on the `Clock`; docs/kernel.md has the table with the reasons.
 */
import { Schedule } from "effect";

/** How long a reactor group waits for its reactors to end and for its scope to be released before it goes on without them. */
export const TEARDOWN_DEADLINE = "5 seconds";

/** How long a supervisor that ends waits for each of its tasks to stop before it stops the next one. */
export const TASK_STOP_DEADLINE = "10 seconds";

/** How long the end of a peer's routine waits for its disconnection and its releases before it is told. */
export const ROUTINE_RELEASE_DEADLINE = "5 seconds";

/** When a restarted task starts again, unless it says otherwise: after 1, 2, 4 .. seconds, never more than a minute. */
export const RESTART_SCHEDULE: Schedule.Schedule<unknown> = Schedule.min([
  Schedule.exponential("1 second"),
  Schedule.spaced("1 minute"),
]);

/** How many restarts are tolerated within `RESTART_WINDOW`, unless a task says otherwise; one more is fatal. */
export const MAX_RESTARTS = 5;

/** The window of `MAX_RESTARTS`. A task that ran for that long starts its schedule from the beginning when it fails again. */
export const RESTART_WINDOW = "10 minutes";
