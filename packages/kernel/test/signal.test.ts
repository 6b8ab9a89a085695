import { assert, describe, it } from "@effect/vitest";
import { Cause, Effect, Exit, Fiber, References } from "effect";
import { TestClock } from "effect/testing";
import { Signal } from "../src/index.ts";

describe("Signal", () => {
  it.effect("keeps a notify for the next wait, and many as one", () =>
    Effect.gen(function* () {
      const signal = Signal.make();
      signal.notify();
      signal.notify();
      yield* signal.wait;
      const second = yield* Effect.forkChild(signal.wait, { startImmediately: true });
      yield* TestClock.adjust(0);
      assert.isUndefined(second.pollUnsafe());
      signal.notify();
      yield* Fiber.join(second);
    }),
  );

  it.effect("does not run the waiter inside the notify: what a callback adds after it is seen too", () =>
    Effect.gen(function* () {
      const signal = Signal.make();
      const buffer: Array<number> = [];
      const seen: Array<number> = [];
      const waiting = yield* Effect.forkChild(
        Effect.andThen(
          signal.wait,
          Effect.sync(() => seen.push(...buffer)),
        ),
        { startImmediately: true },
      );
      buffer.push(1);
      signal.notify();
      buffer.push(2);
      yield* Fiber.join(waiting);
      assert.deepStrictEqual(seen, [1, 2]);
    }),
  );

  it.effect("keeps the notify of a wait that was interrupted before its turn", () =>
    Effect.gen(function* () {
      const signal = Signal.make();
      const waiting = yield* Effect.forkChild(signal.wait, { startImmediately: true });
      signal.notify();
      yield* Fiber.interrupt(waiting);
      assert.isTrue(signal.isSet);
      yield* signal.wait;
      assert.isFalse(signal.isSet);
    }),
  );

  it.effect("wakes a second waiter once only, though the first was interrupted", () =>
    Effect.gen(function* () {
      const signal = Signal.make();
      const first = yield* Effect.forkChild(signal.wait, { startImmediately: true });
      signal.notify();
      yield* Fiber.interrupt(first);
      yield* signal.wait;
      const second = yield* Effect.forkChild(signal.wait, { startImmediately: true });
      yield* TestClock.adjust(0);
      assert.isUndefined(second.pollUnsafe());
      signal.notify();
      yield* Fiber.join(second);
    }),
  );

  for (const ops of [3, 4, 5, 6, 7, 8]) {
    it.effect(`loses no wake when fibers yield after every ${ops} steps`, () =>
      Effect.gen(function* () {
        const [ping, pong] = [Signal.make(), Signal.make()];
        let rounds = 0;
        const answer = Effect.forever(
          Effect.andThen(
            ping.wait,
            Effect.sync(() => {
              rounds++;
              pong.notify();
            }),
          ),
        );
        const answering = yield* Effect.forkChild(answer);
        for (let n = 0; n < 50; n++) {
          ping.notify();
          yield* pong.wait;
        }
        yield* Fiber.interrupt(answering);
        assert.strictEqual(rounds, 50);
      }).pipe(Effect.provideService(References.MaxOpsBeforeYield, ops)),
    );
  }

  it.effect("does not let two fibers wait at once", () =>
    Effect.gen(function* () {
      const signal = Signal.make();
      const first = yield* Effect.forkChild(signal.wait, { startImmediately: true });
      const second = yield* Effect.exit(signal.wait);
      assert.isTrue(Exit.isFailure(second) && Cause.hasDies(second.cause));
      signal.notify();
      yield* Fiber.join(first);
    }),
  );
});
