import { fileURLToPath } from "node:url";
import { assert, describe, it } from "@effect/vitest";
import { Deferred, Effect, Exit, Fiber } from "effect";
import { TestClock, TestConsole } from "effect/testing";
import { RunningProgram } from "../../../test/support/program.ts";
import { letFinish, ShutdownTimeout, untilInterrupted } from "../src/index.ts";

/** Runs something as a program runs its work; gives how it ended, whatever the fiber itself says. */
const launch = <E>(effect: Effect.Effect<void, E>, steps: Array<string>) =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<Exit.Exit<void, E | ShutdownTimeout>>();
    const fiber = yield* untilInterrupted(
      effect,
      10_000,
      Effect.sync(() => steps.push("asked to end")),
    ).pipe(
      Effect.onExit((exit) => Deferred.succeed(ended, exit)),
      Effect.uninterruptible,
      Effect.forkChild({ startImmediately: true }),
    );
    return { fiber, ended: Deferred.await(ended) };
  });

describe("a program that is told to end", () => {
  it.effect("ends with success when everything was released", () =>
    Effect.gen(function* () {
      const steps: Array<string> = [];
      const released = Effect.andThen(
        Effect.sleep("9 seconds"),
        Effect.sync(() => steps.push("released")),
      );
      const { fiber, ended } = yield* launch(Effect.ensuring(Effect.never, released), steps);
      yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true });
      yield* TestClock.adjust("9 seconds");
      assert.deepStrictEqual(yield* ended, Exit.void);
      assert.deepStrictEqual(steps, ["asked to end", "released"]);
    }),
  );

  it.effect("ends with an error, and leaves behind what hangs, when its time is over", () =>
    Effect.gen(function* () {
      const { fiber, ended } = yield* launch(Effect.ensuring(Effect.never, Effect.never), []);
      yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true });
      yield* TestClock.adjust("10 seconds");
      const exit = yield* ended;
      assert.deepStrictEqual(exit, Exit.fail(new ShutdownTimeout({ timeoutMillis: 10_000 })));
      assert.include(new ShutdownTimeout({ timeoutMillis: 10_000 }).message, "did not end within 10 s");
    }),
  );

  it.effect("ends with what it ran, if that ends first", () =>
    Effect.gen(function* () {
      const steps: Array<string> = [];
      assert.deepStrictEqual(yield* (yield* launch(Effect.void, steps)).ended, Exit.void);
      assert.deepStrictEqual(yield* (yield* launch(Effect.fail("broken"), steps)).ended, Exit.fail("broken"));
      assert.deepStrictEqual(steps, []);
    }),
  );
});

describe("what is under way when a program is to end", () => {
  /** Lets it finish, and gives how; `drained` and `another` take so many seconds. */
  const finish = (options: {
    signal?: NodeJS.Signals;
    count?: number;
    wait?: number;
    drained?: number;
    another?: number;
  }) =>
    Effect.gen(function* () {
      const { signal = "SIGINT", count = 3, wait = 30_000, drained = 20, another = 1_000 } = options;
      const steps: Array<string> = [];
      const fiber = yield* letFinish(
        {
          first: () => signal,
          another: Effect.andThen(
            Effect.sleep(`${another} seconds`),
            Effect.sync(() => steps.push("another signal")),
          ),
        },
        wait,
        {
          count,
          name: "streams",
          drain: (waitMillis) =>
            Effect.andThen(
              Effect.sleep(`${drained} seconds`),
              Effect.sync(() => steps.push(`drained, of ${waitMillis}`)),
            ),
        },
      ).pipe(Effect.uninterruptible, Effect.forkChild({ startImmediately: true }));
      yield* TestClock.adjust("1 minute");
      yield* Fiber.join(fiber);
      return { steps, said: (yield* TestConsole.logLines).join("\n") };
    });

  it.effect("goes on after SIGINT until it has ended, and the user is told", () =>
    Effect.gen(function* () {
      const { steps, said } = yield* finish({});
      assert.deepStrictEqual(steps, ["drained, of 30000"]);
      assert.include(said, "ending when the 3 streams have ended, in 30s at the latest");
    }),
  );

  it.effect("goes on no longer when a second signal comes", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* finish({ another: 5 })).steps, ["another signal"]);
    }),
  );

  for (const [what, options] of [
    ["after SIGTERM", { signal: "SIGTERM" }],
    ["where no time is given for it", { wait: 0 }],
    ["if there is nothing", { count: 0 }],
  ] as const)
    it.effect(`is not waited for ${what}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* finish(options), { steps: [], said: "" });
      }),
    );
});

describe("a program that hangs", () => {
  const stubborn = fileURLToPath(new URL("support/stubborn.ts", import.meta.url));

  it("ends at once at the second signal, and tells which one it was", async () => {
    const program = new RunningProgram(stubborn, ["600000"]);
    await program.logged("started");
    program.child.kill("SIGTERM");
    await program.logged("ending");
    program.child.kill("SIGINT");
    assert.strictEqual((await program.end).code, 130);
  });

  it("ends by itself when its time is over", async () => {
    const program = new RunningProgram(stubborn, ["20"]);
    await program.logged("started");
    program.child.kill("SIGTERM");
    assert.strictEqual((await program.end).code, 1);
  });
});
