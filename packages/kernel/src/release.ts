import { type Cause, type Context, type Duration, Effect, Exit, type Fiber, type Scope } from "effect";

type Finalizer = (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<unknown>;

/**
 * The release of a scope within a deadline.
 *
 * `Scope.close` runs one finalizer after the other, so one that hangs keeps all those behind it from ever starting. Here each
 * runs in a fiber of its own: still one after the other, the last acquired first, until the owner says that it waits no
 * longer; then the rest are all started at once and nothing is waited for. So everything is released, and once, though
 * not necessarily finished. What a finalizer fails with is kept and stops nothing.
 */
export class Release {
  readonly failures: Array<Cause.Cause<unknown>> = [];
  /** Finalizers that were started and had not finished when they were no longer waited for. */
  overdue = 0;
  readonly #finalizers: Array<Finalizer>;
  readonly #exit: Exit.Exit<unknown, unknown>;
  readonly #context: Context.Context<never>;
  readonly #done: () => void;
  #waitsFor: Fiber.Fiber<unknown, unknown> | undefined;
  #waits = true;

  /** Closes the scope at once: what is added to it from now on is released on the spot. */
  constructor(
    scope: Scope.Scope,
    exit: Exit.Exit<unknown, unknown>,
    context: Context.Context<never>,
    done: () => void,
  ) {
    this.#exit = exit;
    this.#context = context;
    this.#done = done;
    const state = scope.state;
    this.#finalizers =
      state._tag !== "Open"
        ? []
        : state.finalizer !== undefined
          ? [state.finalizer]
          : [...(state.finalizers?.values() ?? [])];
    scope.state = { _tag: "Closed", exit };
  }

  /** Runs the finalizers. Answers whether it is done (and has told so) or waits for one of them. */
  run(): "done" | "waits" {
    for (let next = this.#finalizers.pop(); next !== undefined; next = this.#finalizers.pop()) {
      const finalizer = next;
      const fiber = Effect.runForkWith(this.#context)(Effect.suspend(() => finalizer(this.#exit)));
      const exit = fiber.pollUnsafe();
      if (exit !== undefined) this.#note(exit);
      else if (!this.#waits) this.overdue++;
      else {
        this.#waitsFor = fiber;
        fiber.addObserver((exit) => {
          if (this.#waitsFor !== fiber) return;
          this.#waitsFor = undefined;
          this.#note(exit);
          this.run();
        });
        return "waits";
      }
    }
    this.#done();
    return "done";
  }

  /** Starts all that is left and ends. No effect on a release that is done. */
  waitNoLonger(): void {
    this.#waits = false;
    if (this.#waitsFor === undefined) return;
    this.#waitsFor = undefined;
    this.overdue++;
    this.run();
  }

  #note(exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isFailure(exit)) this.failures.push(exit.cause);
  }
}

/** Releases a scope within a deadline, as an effect. Never fails: what failed or is late is in the `Release`. */
export const releaseWithin = (
  scope: Scope.Scope,
  exit: Exit.Exit<unknown, unknown>,
  deadline: Duration.Input,
  context: Context.Context<never>,
): Effect.Effect<Release> =>
  Effect.callback((resume) => {
    let timer: Fiber.Fiber<void> | undefined;
    const release = new Release(scope, exit, context, () => {
      timer?.interruptUnsafe();
      resume(Effect.succeed(release));
    });
    if (release.run() === "done") return;
    timer = Effect.runForkWith(context)(
      Effect.andThen(
        Effect.sleep(deadline),
        Effect.sync(() => release.waitNoLonger()),
      ),
    );
  });
