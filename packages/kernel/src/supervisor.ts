import { Cause, Clock, Context, Deferred, type Duration, Effect, Exit, Option, Scope } from "effect";
import type { SupervisorSnapshot } from "./snapshot.ts";
import { Supervised } from "./supervised.ts";
import type { Task, TaskFailed, TaskHandle, TaskPolicy, TaskState } from "./task.ts";
import { TASK_STOP_DEADLINE } from "./timeouts.ts";
import { Topology } from "./topology.ts";

/** What ended a supervisor: the first thing that happened. */
export type SupervisorCause =
  /** A task ended and may not be started again. */
  | TaskFailed
  /** Somebody who holds the supervisor asked it to stop. */
  | { readonly _tag: "Stopped"; readonly reason: string }
  /** The scope that the supervisor was made in was closed. */
  | { readonly _tag: "ScopeClosed"; readonly exit: Exit.Exit<unknown, unknown> };

/** How a supervisor ended, told when its tasks have stopped. */
export interface SupervisorEnd {
  readonly supervisor: string;
  readonly cause: SupervisorCause;
  /** The final state of every task, in the order of their starts. */
  readonly tasks: ReadonlyArray<TaskState>;
}

/** A task was started with a supervisor that is ending or has ended. */
export class SupervisorClosed {
  readonly _tag = "SupervisorClosed";
  readonly supervisor: string;

  constructor(supervisor: string) {
    this.supervisor = supervisor;
  }
}

/** The supervisor has a task of that name, which has not ended. */
export class TaskNameTaken {
  readonly _tag = "TaskNameTaken";
  readonly supervisor: string;
  readonly task: string;

  constructor(supervisor: string, task: string) {
    this.supervisor = supervisor;
    this.task = task;
  }
}

/**
 * Starts background tasks and reactors, joins them, and knows which of their ends are survived.
 *
 * A task whose end is not survived ends the supervisor: the tasks are stopped one after the other, the last started first,
 * so that each may still use what was started before it. Each is waited for at most `taskStopDeadline`.
 */
export interface Supervisor {
  readonly name: string;
  /** Starts a task under a policy. It runs at once, until it first waits. */
  readonly start: <E, R>(
    task: Task<E, R>,
    policy: TaskPolicy<E>,
  ) => Effect.Effect<TaskHandle, SupervisorClosed | TaskNameTaken, Exclude<R, Scope.Scope>>;
  /** How all tasks stand, in the order of their starts. */
  readonly tasks: () => ReadonlyArray<TaskState>;
  /** Stops everything and waits for it. If it is ending already, the earlier cause stays. */
  readonly stop: (reason: string) => Effect.Effect<SupervisorEnd>;
  /** Waits until the supervisor has ended. A program's main fiber waits here. */
  readonly ended: Effect.Effect<SupervisorEnd>;
  /** What has ended the supervisor, as soon as it has. */
  readonly cause: SupervisorCause | undefined;
}

/** How a supervisor is made. */
export interface SupervisorOptions {
  readonly name: string;
  /** @default TASK_STOP_DEADLINE (10 seconds) */
  readonly taskStopDeadline?: Duration.Input;
}

class SupervisorImpl implements Supervisor {
  readonly kind = "supervisor";
  readonly name: string;
  cause: SupervisorCause | undefined;
  readonly #context: Context.Context<Scope.Scope>;
  readonly #clock: Clock.Clock;
  readonly #deadline: Duration.Input;
  readonly #hook: Scope.Closeable;
  readonly #end = Deferred.makeUnsafe<SupervisorEnd>();
  readonly #tasks: Array<Supervised> = [];

  constructor(options: SupervisorOptions, context: Context.Context<Scope.Scope>) {
    this.name = options.name;
    this.#context = context;
    this.#clock = Context.get(context, Clock.Clock);
    this.#deadline = options.taskStopDeadline ?? TASK_STOP_DEADLINE;
    this.#hook = Scope.forkUnsafe(Context.get(context, Scope.Scope));
    Context.get(context, Topology.Registry).add(this);
  }

  /** Ties the supervisor's end to the closing of the scope it was made in. */
  hook(): Effect.Effect<void> {
    return Scope.addFinalizerExit(this.#hook, (exit) =>
      Effect.suspend(() => {
        this.#endWith({ _tag: "ScopeClosed", exit });
        return this.ended;
      }),
    );
  }

  readonly start = <E, R>(
    task: Task<E, R>,
    policy: TaskPolicy<E>,
  ): Effect.Effect<TaskHandle, SupervisorClosed | TaskNameTaken, Exclude<R, Scope.Scope>> => {
    type Started = Effect.Effect<TaskHandle, SupervisorClosed | TaskNameTaken>;
    return Effect.contextWith((context: Context.Context<Exclude<R, Scope.Scope>>): Started => {
      if (this.cause !== undefined) return Exit.fail(new SupervisorClosed(this.name));
      const at = this.#tasks.findIndex((other) => other.name === task.name);
      if (at >= 0) {
        if (!this.#tasks[at]?.isOver) return Exit.fail(new TaskNameTaken(this.name, task.name));
        this.#tasks.splice(at, 1);
      }
      const supervised = new Supervised(task.name, this.#clock);
      this.#tasks.push(supervised);
      const run = Effect.scoped(task.run) as Effect.Effect<unknown, E, Exclude<R, Scope.Scope>>;
      const life = supervised.supervise(Effect.provideContext(run, context), policy);
      supervised.fiber = Effect.runForkWith(context)(Effect.asVoid(this.#watch(supervised, life)));
      // Its first steps may have ended the supervisor before there was a fiber to stop.
      if (this.cause !== undefined) supervised.fiber.interruptUnsafe();
      return Exit.succeed(supervised);
    });
  };

  readonly tasks = (): ReadonlyArray<TaskState> => this.#tasks.map((task) => task.state());

  readonly stop = (reason: string): Effect.Effect<SupervisorEnd> =>
    Effect.suspend(() => {
      this.#endWith({ _tag: "Stopped", reason });
      return this.ended;
    });

  get ended(): Effect.Effect<SupervisorEnd> {
    return Deferred.await(this.#end);
  }

  snapshot(id: number): SupervisorSnapshot {
    return { id, name: this.name, tasks: this.tasks() };
  }

  /** What is left to do when a task is over, however that came. */
  #watch(task: Supervised, life: Effect.Effect<TaskFailed | undefined>): Effect.Effect<unknown> {
    return Effect.onExit(life, (exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit) && exit.value !== undefined) this.#endWith(exit.value);
        if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
          // A schedule or a predicate of the policy threw: nobody knows any more what the policy would be.
          task.become("failed");
          this.#endWith({ _tag: "TaskFailed", task: task.name, exit, why: "policy" });
        }
        task.become("stopped");
      }),
    );
  }

  #endWith(cause: SupervisorCause): void {
    if (this.cause !== undefined) return;
    this.cause = cause;
    Effect.runForkWith(this.#context)(this.#teardown(cause));
  }

  #teardown(cause: SupervisorCause): Effect.Effect<void> {
    const self = this;
    return Effect.gen(function* () {
      if (cause._tag === "TaskFailed") {
        const failure = Exit.isFailure(cause.exit) ? [cause.exit.cause] : [];
        yield* Effect.logError(`task ${cause.task} has ended (${cause.why}); ${self.name} stops`, ...failure);
      }
      for (let at = self.#tasks.length - 1; at >= 0; at--) {
        const task = self.#tasks[at];
        if (task === undefined) continue;
        const stopped = yield* Effect.timeoutOption(task.stop, self.#deadline);
        if (Option.isNone(stopped)) task.become("overdue");
      }
      Context.get(self.#context, Topology.Registry).remove(self);
      Scope.closeUnsafe(self.#hook, Exit.void);
      Deferred.doneUnsafe(self.#end, Exit.succeed({ supervisor: self.name, cause, tasks: self.tasks() }));
    });
  }
}

export const Supervisor = {
  /** A supervisor without tasks. It ends at the latest when the surrounding scope closes. */
  make: (options: SupervisorOptions): Effect.Effect<Supervisor, never, Scope.Scope> =>
    Effect.contextWith((context: Context.Context<Scope.Scope>) => {
      const supervisor = new SupervisorImpl(options, context);
      return Effect.as(supervisor.hook(), supervisor);
    }),
};
