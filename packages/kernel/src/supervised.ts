import { type Cause, type Clock, Deferred, Duration, Effect, Exit, Fiber, Pull, Schedule } from "effect";
import type { RestartLimits, TaskFailed, TaskHandle, TaskPolicy, TaskState } from "./task.ts";

/** What the end of one run means. */
type Verdict =
  | { readonly _tag: "Done" }
  | { readonly _tag: "Restart"; readonly after: Duration.Duration }
  | { readonly _tag: "Fatal"; readonly why: TaskFailed["why"] };

const DONE: Verdict = { _tag: "Done" };
const fatal = (why: TaskFailed["why"]): Verdict => ({ _tag: "Fatal", why });

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
export class Supervised implements TaskHandle {
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

  /** Whether it neither runs nor will again. */
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
  supervise<E>(run: Effect.Effect<unknown, E>, policy: TaskPolicy<E>): Effect.Effect<TaskFailed | undefined> {
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
