import type { Cause, Duration, Effect, Exit, Schedule } from "effect";
import { MAX_RESTARTS, RESTART_SCHEDULE, RESTART_WINDOW } from "./timeouts.ts";

/** Where a supervised task stands. */
export interface TaskState {
  readonly name: string;
  /**
   * `running`; `waiting` for its next start; `done`, since it ended and its policy lets it; `failed`, which has ended the
   * supervisor; `stopped`, alone or with the supervisor; `overdue`, when it did not stop in time and is no longer waited for.
   */
  readonly status: "running" | "waiting" | "done" | "failed" | "stopped" | "overdue";
  /** How often it was started again. */
  readonly restarts: number;
  /** Why it last failed, also if it has run since. */
  readonly lastFailure: Cause.Cause<unknown> | undefined;
  /** Since when `status` is what it is, in milliseconds of the `Clock`. */
  readonly since: number;
}

/** What a supervisor does when a task has ended. Made by `TaskPolicy.fatal`, `TaskPolicy.once`, `TaskPolicy.restart`. */
export interface TaskPolicy<in E = never> {
  readonly onSuccess: "restart" | "done" | "fatal";
  /** Without it every failure is fatal. */
  readonly restart: RestartLimits<E> | undefined;
}

/** When a task is started again, and when no more. */
export interface RestartLimits<in E> {
  readonly schedule: Schedule.Schedule<unknown, Exit.Exit<unknown, E>>;
  readonly maxRestarts: number;
  readonly window: Duration.Input;
  readonly isTransient: (cause: Cause.Cause<E>) => boolean;
}

/** How `TaskPolicy.restart` may differ from its defaults. */
export interface RestartOptions<in E> {
  /**
   * How long to wait before each start; its input is how the task ended. When it is over, the end is fatal. It begins anew
   * when the task has run for a whole `window`.
   * @default RESTART_SCHEDULE
   */
  readonly schedule?: Schedule.Schedule<unknown, Exit.Exit<unknown, E>>;
  /** The restarts tolerated within any `window`: one more is fatal. @default MAX_RESTARTS (5) */
  readonly maxRestarts?: number;
  /** @default RESTART_WINDOW (10 minutes) */
  readonly window?: Duration.Input;
  /** Which failures may pass by themselves; any other is fatal at once. @default all of them */
  readonly isTransient?: (cause: Cause.Cause<E>) => boolean;
  /** What a success means. @default "restart" */
  readonly onSuccess?: "restart" | "done";
}

const FATAL: TaskPolicy<unknown> = { onSuccess: "fatal", restart: undefined };
const ONCE: TaskPolicy<unknown> = { onSuccess: "done", restart: undefined };

export const TaskPolicy = {
  /** The task must run as long as the supervisor: however it ends, everything ends. */
  fatal: FATAL,
  /** The task has something to finish: a success is the end of it, a failure is fatal. */
  once: ONCE,
  /** The task is started again when it ends, within limits. */
  restart: <E = unknown>(options: RestartOptions<E> = {}): TaskPolicy<E> => ({
    onSuccess: options.onSuccess ?? "restart",
    restart: {
      schedule: options.schedule ?? RESTART_SCHEDULE,
      maxRestarts: options.maxRestarts ?? MAX_RESTARTS,
      window: options.window ?? RESTART_WINDOW,
      isTransient: options.isTransient ?? (() => true),
    },
  }),
};

/** A background task, or a reactor, that a supervisor runs. A reactor that is wired has this shape but for its policy. */
export interface Task<out E = never, out R = never> {
  /** Unique within the supervisor. */
  readonly name: string;
  /** The whole of it. It is run anew for each start; a `Scope` that it requires is closed before it starts again. */
  readonly run: Effect.Effect<unknown, E, R>;
}

/** A started task. */
export interface TaskHandle {
  readonly name: string;
  /** How it stands now. */
  readonly state: () => TaskState;
  /** Waits until the task is over for good: `done`, `failed` or `stopped`. */
  readonly ended: Effect.Effect<TaskState>;
  /** Stops this task alone, which is not a failure, and waits until it has stopped. */
  readonly stop: Effect.Effect<TaskState>;
}

/** Why the end of a task was fatal. */
export interface TaskFailed {
  readonly _tag: "TaskFailed";
  readonly task: string;
  readonly exit: Exit.Exit<unknown, unknown>;
  /** Its policy allows no restart, the failure was not transient, or the policy's patience has run out. */
  readonly why: "policy" | "not transient" | "too many restarts" | "schedule over";
}
