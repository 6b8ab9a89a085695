import { Cause, Clock, Context, Deferred, Duration, Effect, Exit, Fiber, Option, Pull, Schedule, Scope } from "effect";
import type { SupervisorSnapshot } from "./snapshot.ts";
import type { RestartLimits, Task, TaskPolicy, TaskState } from "./task.ts";
import { TASK_STOP_DEADLINE } from "./timeouts.ts";
import { Topology } from "./topology.ts";

/** What ended a supervisor: the first thing that happened. */
export type SupervisorCause =
  /** A task ended and may not be started again, and why not. */
  | {
      readonly _tag: "TaskFailed";
      readonly task: string;
      readonly exit: Exit.Exit<unknown, unknown>;
      readonly why: "policy" | "not transient" | "too many restarts" | "schedule over";
    }
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

/** What the end of one run means. */
type Verdict =
  | { readonly _tag: "Done" }
  | { readonly _tag: "Restart"; readonly after: Duration.Duration }
  | { readonly _tag: "Fatal"; readonly why: Extract<SupervisorCause, { _tag: "TaskFailed" }>["why"] };

const DONE: Verdict = { _tag: "Done" };
const fatal = (why: Extract<Verdict, { _tag: "Fatal" }>["why"]): Verdict => ({ _tag: "Fatal", why });

/** Decides by the schedule and the intensity limit whether a task may start again. */
class RestartJudge<E> {
  readonly #limits: RestartLimits<E>;
  readonly #windowMillis: number;
  /** When it was started again, within the last window. */
  #restarts: Array<number> = [];
  #step:
    | ((now: number, exit: Exit.Exit<unknown, E>) => Pull.Pull<[unknown, Duration.Duration], never, unknown>)
    | undefined;

  constructor(limits: RestartLimits<E>) {
    this.#limits = limits;
    this.#windowMillis = Duration.toMillis(Duration.fromInputUnsafe(limits.window));
  }

  /** `now` and `startedAt` are milliseconds of the `Clock`. */
  judge(exit: Exit.Exit<unknown, E>, startedAt: number, now: number): Effect.Effect<Verdict> {
    if (Exit.isFailure(exit) && !this.#limits.isTransient(exit.cause)) return Effect.succeed(fatal("not transient"));
    this.#restarts = this.#restarts.filter((at) => now - at < this.#windowMillis);
    if (this.#restarts.length >= this.#limits.maxRestarts) return Effect.succeed(fatal("too many restarts"));
    if (now - startedAt >= this.#windowMillis) this.#step = undefined;
    const step = this.#step === undefined ? Schedule.toStep(this.#limits.schedule) : Effect.succeed(this.#step);
    return Effect.flatMap(step, (step) => {
      this.#step = step;
      return Pull.matchEffect(step(now, exit), {
        onSuccess: ([, after]) => {
          this.#restarts.push(now);
          return Effect.succeed<Verdict>({ _tag: "Restart", after });
        },
        onFailure: (cause) => Effect.failCause(cause),
        onDone: () => Effect.succeed(fatal("schedule over")),
      });
    });
  }
}

/**
 * Runs an effect in a fiber of its own, so that how it ends is not confused with an interruption of the one who waits for it.
 * That interrupts it, and waits until it has ended.
 */
const runApart = <A, E>(run: Effect.Effect<A, E>): Effect.Effect<Exit.Exit<A, E>> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(run, { startImmediately: true }), (fiber) =>
      Effect.onInterrupt(restore(Fiber.await(fiber)), () => Fiber.interrupt(fiber)),
    ),
  );

/** A task as its supervisor sees it. */
class Supervised implements TaskHandle {
  readonly name: string;
  readonly #clock: Clock.Clock;
  readonly #over = Deferred.makeUnsafe<TaskState>();
  #status: TaskState["status"] = "running";
  #restarts = 0;
  #lastFailure: Cause.Cause<unknown> | undefined;
  #since: number;
  /** The fiber that runs the task again and again. */
  fiber: Fiber.Fiber<void> | undefined;

  constructor(name: string, clock: Clock.Clock) {
    this.name = name;
    this.#clock = clock;
    this.#since = clock.currentTimeMillisUnsafe();
  }

  readonly state = (): TaskState => ({
    name: this.name,
    status: this.#status,
    restarts: this.#restarts,
    lastFailure: this.#lastFailure,
    since: this.#since,
  });

  get isOver(): boolean {
    return this.#status !== "running" && this.#status !== "waiting";
  }

  get ended(): Effect.Effect<TaskState> {
    return Deferred.await(this.#over);
  }

  get stop(): Effect.Effect<TaskState> {
    return Effect.suspend(() => {
      this.fiber?.interruptUnsafe();
      return this.ended;
    });
  }

  /** Moves to another status. A task that is over stays what it is, but for one that was overdue and has stopped. */
  become(status: TaskState["status"]): void {
    if (this.isOver && !(this.#status === "overdue" && status === "stopped")) return;
    this.#status = status;
    this.#since = this.#clock.currentTimeMillisUnsafe();
    if (this.isOver) Deferred.doneUnsafe(this.#over, Exit.succeed(this.state()));
  }

  /** Runs the task until it is over for good; answers with why its end is fatal, if it is. */
  supervise<E>(
    run: Effect.Effect<unknown, E>,
    policy: TaskPolicy<E>,
  ): Effect.Effect<Extract<SupervisorCause, { _tag: "TaskFailed" }> | undefined> {
    const judge = policy.restart === undefined ? undefined : new RestartJudge(policy.restart);
    const self = this;
    return Effect.gen(function* () {
      while (true) {
        const startedAt = self.#clock.currentTimeMillisUnsafe();
        const exit = yield* runApart(run);
        if (Exit.isFailure(exit)) self.#lastFailure = exit.cause;
        const verdict = yield* self.#verdict(exit, policy, judge, startedAt);
        if (verdict._tag === "Done") {
          self.become("done");
          return undefined;
        }
        if (verdict._tag === "Fatal") {
          self.become("failed");
          return { _tag: "TaskFailed", task: self.name, exit, why: verdict.why } as const;
        }
        self.become("waiting");
        if (Exit.isFailure(exit)) {
          yield* Effect.logWarning(
            `task ${self.name} failed and starts again in ${Duration.format(verdict.after)}`,
            exit.cause,
          );
        }
        yield* Effect.sleep(verdict.after);
        self.#restarts++;
        self.become("running");
      }
    });
  }

  #verdict<E>(
    exit: Exit.Exit<unknown, E>,
    policy: TaskPolicy<E>,
    judge: RestartJudge<E> | undefined,
    startedAt: number,
  ): Effect.Effect<Verdict> {
    if (Exit.isSuccess(exit) && policy.onSuccess === "done") return Effect.succeed(DONE);
    if (judge === undefined) return Effect.succeed(fatal("policy"));
    return judge.judge(exit, startedAt, this.#clock.currentTimeMillisUnsafe());
  }
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
  #watch(
    task: Supervised,
    life: Effect.Effect<Extract<SupervisorCause, { _tag: "TaskFailed" }> | undefined>,
  ): Effect.Effect<unknown> {
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
