import { assert, describe, it } from "@effect/vitest";
import { Cause, Effect, Exit, Fiber, References, Scope } from "effect";
import { TestClock } from "effect/testing";
import { Link, LinkClosed, LinkEnded, Signal } from "../src/index.ts";

/** Lets every fiber that can run do so. */
const settle = TestClock.adjust(0);

describe("Link", () => {
  it.effect("delivers what was offered, in order", () =>
    Effect.gen(function* () {
      const { writer, reader } = yield* Link.make<number>("numbers");
      const writing = yield* Effect.forkChild(Effect.forEach([1, 2, 3, 4, 5], writer.offer));
      const taken: Array<number> = [];
      for (let n = 0; n < 5; n++) taken.push(yield* reader.take);
      yield* Fiber.join(writing);
      assert.deepStrictEqual(taken, [1, 2, 3, 4, 5]);
    }),
  );

  it.effect("holds one item: the second offer waits for a take", () =>
    Effect.gen(function* () {
      const { writer, reader } = yield* Link.make<string>("one");
      yield* writer.offer("a");
      assert.isFalse(writer.offerUnsafe("b"));
      const second = yield* Effect.forkChild(writer.offer("b"));
      yield* settle;
      assert.isUndefined(second.pollUnsafe());
      assert.deepStrictEqual(reader.takeUnsafe(), Exit.succeed("a"));
      yield* Fiber.join(second);
      assert.deepStrictEqual(reader.takeUnsafe(), Exit.succeed("b"));
      assert.isUndefined(reader.takeUnsafe());
    }),
  );

  it.effect("serves several writers in the order they came", () =>
    Effect.gen(function* () {
      const { writer, reader } = yield* Link.make<string>("shared");
      yield* writer.offer("0");
      for (const item of ["1", "2", "3"]) yield* Effect.forkChild(writer.offer(item), { startImmediately: true });
      const taken: Array<string> = [];
      for (let n = 0; n < 4; n++) taken.push(yield* reader.take);
      assert.deepStrictEqual(taken, ["0", "1", "2", "3"]);
    }),
  );

  it.effect("after a clean end gives what it accepted, waiting offers included, and then LinkEnded", () =>
    Effect.gen(function* () {
      const { writer, reader } = yield* Link.make<number>("l");
      yield* writer.offer(1);
      const waiting = yield* Effect.forkChild(writer.offer(2), { startImmediately: true });
      yield* writer.end;
      assert.isTrue(writer.isClosed);
      assert.deepStrictEqual(yield* Effect.exit(writer.offer(3)), Exit.fail(new LinkClosed("l", "end")));
      assert.strictEqual(yield* reader.take, 1);
      assert.strictEqual(yield* reader.take, 2);
      yield* Fiber.join(waiting);
      assert.deepStrictEqual(yield* Effect.exit(reader.take), Exit.fail(new LinkEnded("l", true)));
      assert.deepStrictEqual(reader.takeUnsafe(), Exit.fail(new LinkEnded("l", true)));
    }),
  );

  it.effect("after a failure gives what it accepted and then the error", () =>
    Effect.gen(function* () {
      const { writer, reader } = yield* Link.make<number, "broken">("l");
      yield* writer.offer(1);
      yield* writer.fail("broken");
      yield* writer.end;
      assert.strictEqual(yield* reader.take, 1);
      assert.strictEqual(yield* Effect.flip(reader.take), "broken");
      assert.deepStrictEqual(yield* Effect.exit(writer.offer(2)), Exit.fail(new LinkClosed("l", "fail")));
    }),
  );

  it.effect("wakes a reader that waits when it ends", () =>
    Effect.gen(function* () {
      const { writer, reader } = yield* Link.make<number>("l");
      const taking = yield* Effect.forkChild(reader.take, { startImmediately: true });
      yield* writer.end;
      assert.deepStrictEqual(yield* Fiber.await(taking), Exit.fail(new LinkEnded("l", true)));
    }),
  );

  it.effect("tells writers when the reader closes, and drops what it held", () =>
    Effect.gen(function* () {
      const { writer, reader } = yield* Link.make<number>("l");
      yield* writer.offer(1);
      const waiting = yield* Effect.forkChild(Effect.exit(writer.offer(2)), { startImmediately: true });
      yield* reader.close;
      assert.deepStrictEqual(yield* Fiber.join(waiting), Exit.fail(new LinkClosed("l", "reader")));
      assert.deepStrictEqual(yield* Effect.exit(writer.offer(3)), Exit.fail(new LinkClosed("l", "reader")));
      assert.deepStrictEqual(yield* Effect.exit(reader.take), Exit.fail(new LinkEnded("l", false)));
    }),
  );

  it.effect("tells both ends when its scope is released, and that items were lost", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      const ended = yield* Scope.provide(Link.make<number>("ended"), scope);
      const open = yield* Scope.provide(Link.make<number>("open"), scope);
      yield* ended.writer.offer(1);
      yield* ended.writer.end;
      const taking = yield* Effect.forkChild(open.reader.take, { startImmediately: true });
      yield* Scope.close(scope, Exit.void);
      assert.deepStrictEqual(yield* Fiber.await(taking), Exit.fail(new LinkEnded("open", false)));
      assert.deepStrictEqual(yield* Effect.exit(open.writer.offer(1)), Exit.fail(new LinkClosed("open", "release")));
      assert.deepStrictEqual(yield* Effect.exit(ended.reader.take), Exit.fail(new LinkEnded("ended", false)));
    }),
  );

  it.effect("stays cleanly ended when it is released after all was taken", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      const link = yield* Scope.provide(Link.make<number>("l"), scope);
      yield* link.writer.end;
      yield* Scope.close(scope, Exit.void);
      assert.deepStrictEqual(yield* Effect.exit(link.reader.take), Exit.fail(new LinkEnded("l", true)));
    }),
  );

  it.effect("takes an interrupted offer back, wherever it waits in the line", () =>
    Effect.gen(function* () {
      const { writer, reader } = yield* Link.make<number>("l");
      yield* writer.offer(0);
      const waiting = [1, 2, 3, 4].map((n) => Effect.forkChild(writer.offer(n), { startImmediately: true }));
      const fibers = yield* Effect.all(waiting);
      yield* Fiber.interrupt(fibers[1] as Fiber.Fiber<void, LinkClosed>);
      yield* Fiber.interrupt(fibers[3] as Fiber.Fiber<void, LinkClosed>);
      yield* writer.end;
      const taken = [yield* reader.take, yield* reader.take, yield* reader.take];
      assert.deepStrictEqual(taken, [0, 1, 3]);
      assert.deepStrictEqual(yield* Effect.exit(reader.take), Exit.fail(new LinkEnded("l", true)));
    }),
  );

  it.effect("keeps the item of a take that is interrupted before its turn", () =>
    Effect.gen(function* () {
      const { writer, reader } = yield* Link.make<number>("l");
      const taking = yield* Effect.forkChild(reader.take, { startImmediately: true });
      yield* writer.offer(1);
      yield* Fiber.interrupt(taking);
      assert.strictEqual(yield* reader.take, 1);
    }),
  );

  it.effect("can be read again after a take that was interrupted while it waited", () =>
    Effect.gen(function* () {
      const { writer, reader } = yield* Link.make<number>("l");
      yield* Fiber.interrupt(yield* Effect.forkChild(reader.take, { startImmediately: true }));
      const taking = yield* Effect.forkChild(reader.take, { startImmediately: true });
      yield* writer.offer(1);
      assert.strictEqual(yield* Fiber.join(taking), 1);
    }),
  );

  for (const ops of [3, 4, 5, 6, 7, 8]) {
    it.effect(`loses no item and no wake when fibers yield after every ${ops} steps`, () =>
      Effect.gen(function* () {
        const { writer, reader } = yield* Link.make<number>("l");
        const items = Array.from({ length: 50 }, (_, n) => n);
        // A few steps more or less each time, so that the yields fall everywhere.
        const steps = (n: number) => Effect.forEach(items.slice(0, n % 5), () => Effect.void, { discard: true });
        const offer = (n: number) => Effect.andThen(steps(n), writer.offer(n));
        const writing = yield* Effect.forkChild(Effect.andThen(Effect.forEach(items, offer), writer.end));
        const taken: Array<number> = [];
        const take = Effect.suspend(() => Effect.andThen(steps(taken.length * 3), reader.take));
        const end = yield* Effect.flip(Effect.forever(Effect.map(take, (item) => taken.push(item))));
        yield* Fiber.join(writing);
        assert.deepStrictEqual(taken, items);
        assert.deepStrictEqual(end, new LinkEnded("l", true));
      }).pipe(Effect.provideService(References.MaxOpsBeforeYield, ops)),
    );
  }

  for (let steps = 0; steps < 12; steps++) {
    it.effect(`gives an item to a reader that is ${steps} steps away from waiting when it yields`, () =>
      Effect.gen(function* () {
        const { writer, reader } = yield* Link.make<number>("l");
        let way: Effect.Effect<number, LinkEnded> = reader.take;
        for (let n = 0; n < steps; n++) way = Effect.andThen(Effect.void, way);
        const taking = yield* Effect.forkChild(way, { startImmediately: true }).pipe(
          Effect.provideService(References.MaxOpsBeforeYield, 4),
        );
        yield* writer.offer(1);
        assert.strictEqual(yield* Fiber.join(taking), 1);
      }),
    );
  }

  it.effect("does not let two fibers read at once", () =>
    Effect.gen(function* () {
      const { reader, writer } = yield* Link.make<number>("l");
      const first = yield* Effect.forkChild(reader.take, { startImmediately: true });
      const second = yield* Effect.exit(reader.take);
      assert.isTrue(Exit.isFailure(second) && Cause.hasDies(second.cause));
      yield* writer.offer(1);
      assert.strictEqual(yield* Fiber.join(first), 1);
    }),
  );

  it.effect("wakes a signal for an item, for the next one and for the end", () =>
    Effect.gen(function* () {
      const { writer, reader } = yield* Link.make<number>("l");
      const signal = Signal.make();
      yield* reader.wakes(signal);
      assert.isFalse(signal.isSet);
      yield* writer.offer(1);
      yield* signal.wait;
      const second = yield* Effect.forkChild(writer.offer(2), { startImmediately: true });
      assert.isFalse(signal.isSet);
      reader.takeUnsafe();
      yield* signal.wait;
      yield* Fiber.join(second);
      yield* writer.end;
      assert.isFalse(signal.isSet);
      assert.deepStrictEqual(reader.takeUnsafe(), Exit.succeed(2));
      yield* signal.wait;
      assert.deepStrictEqual(reader.takeUnsafe(), Exit.fail(new LinkEnded("l", true)));
    }),
  );

  it.effect("notifies a signal at once when there is something already", () =>
    Effect.gen(function* () {
      const { writer, reader } = yield* Link.make<number>("l");
      yield* writer.offer(1);
      const signal = Signal.make();
      yield* reader.wakes(signal);
      assert.isTrue(signal.isSet);
    }),
  );

  it.effect("counts items, and by the clock how long each side waited", () =>
    Effect.gen(function* () {
      const { writer, reader } = yield* Link.make<number>("l");
      const taking = yield* Effect.forkChild(reader.take, { startImmediately: true });
      yield* TestClock.adjust("3 millis");
      assert.strictEqual(reader.counters().readerBlockedNanos, 3_000_000);
      yield* writer.offer(1);
      yield* Fiber.join(taking);
      yield* writer.offer(2);
      const offering = yield* Effect.forkChild(writer.offer(3), { startImmediately: true });
      yield* TestClock.adjust("2 millis");
      assert.strictEqual(writer.counters().writerBlockedNanos, 2_000_000);
      yield* TestClock.adjust("5 millis");
      yield* reader.take;
      yield* Fiber.join(offering);
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual(writer.counters(), {
        items: 3,
        writerBlocks: 1,
        writerBlockedNanos: 7_000_000,
        readerBlocks: 1,
        readerBlockedNanos: 3_000_000,
      });
    }),
  );
});
