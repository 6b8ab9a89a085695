import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect, Exit, Fiber } from "effect";
import { TestClock } from "effect/testing";
import { inVirtualTime } from "../index.ts";

/** Notes when each of a few sleepers wakes. */
const sleepers = (...durations: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const woken: Array<string> = [];
    for (const [index, duration] of durations.entries()) {
      yield* Effect.forkChild(
        Effect.gen(function* () {
          yield* Effect.sleep(duration);
          woken.push(`${index} at ${yield* Clock.currentTimeMillis}`);
        }),
      );
    }
    return woken;
  });

describe("virtual time", () => {
  it.effect(
    "wakes sleepers in the order of their times, and those of one time in the order in which they fell asleep",
    () =>
      Effect.gen(function* () {
        const woken = yield* sleepers(30, 10, 20, 10);
        yield* TestClock.adjust(9);
        assert.deepStrictEqual(woken, []);
        yield* TestClock.adjust(11);
        assert.deepStrictEqual(woken, ["1 at 10", "3 at 10", "2 at 20"]);
        yield* TestClock.setTime(1_000);
        assert.deepStrictEqual(woken.at(-1), "0 at 30");
        assert.strictEqual(yield* Clock.currentTimeMillis, 1_000);
        assert.strictEqual(yield* Clock.monotonicTimeNanos, 1_000_000_000n);
      }).pipe(inVirtualTime),
  );

  it.effect("lets whoever is awake finish before it goes on", () =>
    Effect.gen(function* () {
      const times: Array<number> = [];
      const fiber = yield* Effect.forkChild(
        Effect.gen(function* () {
          for (let turn = 0; turn < 3; turn++) {
            yield* Effect.sleep(10);
            for (let step = 0; step < 100; step++) yield* Effect.yieldNow;
            times.push(yield* Clock.currentTimeMillis);
          }
        }),
      );
      yield* TestClock.adjust("1 day");
      yield* Fiber.join(fiber);
      assert.deepStrictEqual(times, [10, 20, 30]);
    }).pipe(inVirtualTime),
  );

  it.effect("waits for promises that are kept at once", () =>
    Effect.gen(function* () {
      const chain = async () => {
        for (let link = 0; link < 5; link++) await Promise.resolve();
      };
      const times: Array<number> = [];
      yield* Effect.forkChild(
        Effect.gen(function* () {
          yield* Effect.sleep("1 second");
          yield* Effect.promise(chain);
          times.push(yield* Clock.currentTimeMillis);
        }),
      );
      yield* TestClock.adjust("1 day");
      assert.deepStrictEqual(times, [1_000]);
    }).pipe(inVirtualTime),
  );

  it.effect("stands still as soon as nobody has it pass any more", () =>
    Effect.gen(function* () {
      yield* Effect.raceFirst(Effect.sleep("5 seconds"), TestClock.adjust("1 hour"));
      assert.strictEqual(yield* Clock.currentTimeMillis, 5_000);
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(TestClock.adjust("1 second"))));
      assert.strictEqual(yield* Clock.currentTimeMillis, 6_000);
    }).pipe(inVirtualTime),
  );

  it.effect("forgets sleepers that were woken otherwise", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.sleep("1 hour"));
      yield* TestClock.adjust("1 minute");
      yield* Fiber.interrupt(fiber);
      yield* TestClock.adjust("2 hours");
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(fiber)));
    }).pipe(inVirtualTime),
  );

  it.effect("has those wait for their turn who want it to pass at once", () =>
    Effect.gen(function* () {
      const woken = yield* sleepers(150);
      yield* Effect.all([TestClock.adjust(100), TestClock.adjust(100)], { concurrency: 2 });
      assert.deepStrictEqual(woken, ["0 at 150"]);
      assert.strictEqual(yield* Clock.currentTimeMillis, 200);
    }).pipe(inVirtualTime),
  );

  it.effect("leaves the clock on the wall to those who ask for it", () =>
    Effect.gen(function* () {
      const before = yield* TestClock.withLive(Clock.currentTimeMillis);
      assert.isAbove(before, Date.UTC(2020, 0, 1));
    }).pipe(inVirtualTime),
  );
});
