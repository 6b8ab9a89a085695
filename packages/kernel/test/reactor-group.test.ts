import { assert, describe, it } from "@effect/vitest";
import { Cause, Effect, Exit, Fiber, Scope } from "effect";
import { TestClock } from "effect/testing";
import { withSleepers } from "../../../test/support/counting-clock.ts";
import { GroupClosed, LinkClosed, LinkEnded, Reactor, ReactorGroup, Signal, Topology } from "../src/index.ts";

const port = Reactor.port;

/** A reactor without ports. */
const reactor = <E, R>(name: string, run: Effect.Effect<unknown, E, R>) =>
  Reactor.make({ name, reads: {}, writes: {}, run: () => run }).wire({});

/** A reactor that only waits, and notes how it ended. */
const waiter = (name: string, notes: Array<string>) =>
  reactor(
    name,
    Effect.onExit(Effect.never, (exit) =>
      Effect.sync(() => notes.push(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? name : `${name}?`)),
    ),
  );

const double = Reactor.make({
  name: "double",
  reads: { numbers: port<number>() },
  writes: { doubled: port<number>() },
  run: ({ numbers, doubled }) => Effect.forever(Effect.flatMap(numbers.take, (n) => doubled.offer(n * 2))),
});

const count = Reactor.make({
  name: "count",
  reads: {},
  writes: { numbers: port<number>() },
  run: ({ numbers }) =>
    Effect.gen(function* () {
      for (let n = 1; ; n++) yield* numbers.offer(n);
    }),
});

const collect = (into: Array<number>, items: number) =>
  Reactor.make({
    name: "collect",
    reads: { numbers: port<number>() },
    writes: {},
    run: ({ numbers }) =>
      Effect.repeat(
        Effect.map(numbers.take, (n) => into.push(n)),
        { times: items - 1 },
      ),
  });

describe("ReactorGroup", () => {
  it.effect("moves messages along its links until one reactor ends, and names that one", () =>
    Effect.gen(function* () {
      const seen: Array<number> = [];
      const end = yield* ReactorGroup.run({ name: "demo" }, (group) =>
        Effect.gen(function* () {
          const numbers = group.link<number>("numbers");
          const doubled = group.link<number>("doubled");
          yield* group.start(count.wire({ numbers: numbers.writer }));
          yield* group.start(double.wire({ numbers: numbers.reader, doubled: doubled.writer }));
          yield* group.start(collect(seen, 5).wire({ numbers: doubled.reader }));
        }),
      );
      assert.deepStrictEqual(seen, [2, 4, 6, 8, 10]);
      assert.deepStrictEqual(end, {
        group: "demo",
        cause: { _tag: "ReactorEnded", reactor: "collect", exit: Exit.succeed(5) },
        overdue: [],
        overdueReleases: 0,
        releaseFailures: [],
      });
    }),
  );

  const ends: ReadonlyArray<
    readonly [string, Effect.Effect<unknown, string>, (exit: Exit.Exit<unknown, unknown>) => boolean]
  > = [
    ["success", Effect.succeed(1), Exit.isSuccess],
    ["a typed failure", Effect.fail("no"), (exit) => Exit.isFailure(exit) && Cause.hasFails(exit.cause)],
    ["a defect", Effect.die("bug"), (exit) => Exit.isFailure(exit) && Cause.hasDies(exit.cause)],
    [
      "an interruption of its own",
      Effect.interrupt,
      (exit) => Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause),
    ],
  ];
  for (const [what, how, matches] of ends) {
    it.effect(`ends as a whole when a reactor ends by ${what}`, () =>
      Effect.gen(function* () {
        const notes: Array<string> = [];
        const group = yield* ReactorGroup.make<string>({ name: "g" });
        yield* group.start(waiter("a", notes));
        yield* group.start(reactor("b", Effect.andThen(Effect.sleep("1 second"), how)));
        yield* group.start(waiter("c", notes));
        yield* TestClock.adjust("1 second");
        const { cause, overdue } = yield* group.ended;
        assert.deepStrictEqual(notes, ["c", "a"]);
        assert.isTrue(cause._tag === "ReactorEnded" && cause.reactor === "b" && matches(cause.exit));
        assert.deepStrictEqual(overdue, []);
      }),
    );
  }

  it.effect("stops for a reason, and keeps the first cause when others follow", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make<string, { code: number }>({ name: "g" });
      yield* group.start(
        reactor(
          "clumsy",
          Effect.onInterrupt(Effect.never, () => Effect.die("in the clean-up")),
        ),
      );
      group.stopUnsafe({ code: 1 });
      assert.deepStrictEqual((yield* group.stop({ code: 2 })).cause, { _tag: "Stopped", reason: { code: 1 } });
      assert.deepStrictEqual(group.cause, { _tag: "Stopped", reason: { code: 1 } });
    }),
  );

  it.effect("ends when the scope that it was made in closes, and that close waits for it", () =>
    Effect.gen(function* () {
      // The test clock's first sleep cannot be one in a clean-up: it would be cut short by the interruption.
      yield* TestClock.adjust(0);
      const scope = yield* Scope.make();
      const notes: Array<string> = [];
      const group = yield* Scope.provide(ReactorGroup.make({ name: "g" }), scope);
      const slow = Effect.onInterrupt(Effect.never, () =>
        Effect.andThen(
          Effect.sleep("2 seconds"),
          Effect.sync(() => notes.push("slow")),
        ),
      );
      yield* group.start(reactor("slow", slow));
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.fail("outside")), { startImmediately: true });
      yield* TestClock.adjust("1 second");
      assert.isUndefined(closing.pollUnsafe());
      yield* TestClock.adjust("1 second");
      yield* Fiber.join(closing);
      assert.deepStrictEqual(notes, ["slow"]);
      assert.deepStrictEqual((yield* group.ended).cause, { _tag: "ScopeClosed", exit: Exit.fail("outside") });
    }),
  );

  it.effect("leaves nothing in the scope it was made in, and nothing in the topology, when it ends first", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      const make = Scope.provide(ReactorGroup.make({ name: "g" }), scope);
      const kept = yield* make;
      for (let n = 0; n < 10; n++) {
        const group = yield* make;
        yield* group.start(reactor("r", Effect.never));
        yield* group.stop("over");
      }
      assert.isTrue(scope.state._tag === "Open" && scope.state.finalizers?.size === 1);
      assert.strictEqual((yield* Topology.snapshot).groups.length, 1);
      yield* kept.stop("over");
      assert.strictEqual(scope.state._tag, "Empty");
      assert.strictEqual((yield* Topology.snapshot).groups.length, 0);
    }).pipe(Effect.provideService(Topology.Registry, Topology.makeUnsafe())),
  );

  it.effect("cannot be made in a closed scope: it has ended at once", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      yield* Scope.close(scope, Exit.void);
      const group = yield* Scope.provide(ReactorGroup.make({ name: "late" }), scope);
      assert.deepStrictEqual((yield* group.ended).cause, { _tag: "ScopeClosed", exit: Exit.void });
      assert.deepStrictEqual(yield* Effect.flip(group.start(reactor("r", Effect.never))), new GroupClosed("late"));
    }),
  );

  it.effect("starts a reactor from inside another, and that one shares the fate", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make<"lazy failed">({ name: "g" });
      const go = Signal.make();
      const lazy = reactor("streams", Effect.andThen(Effect.sleep("1 second"), Effect.fail("lazy failed" as const)));
      yield* group.start(
        reactor("ingress", Effect.andThen(go.wait, Effect.andThen(Effect.orDie(group.start(lazy)), Effect.never))),
      );
      yield* TestClock.adjust("1 minute");
      assert.isUndefined(group.cause);
      go.notify();
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual((yield* group.ended).cause, {
        _tag: "ReactorEnded",
        reactor: "streams",
        exit: Exit.fail("lazy failed" as const),
      });
    }),
  );

  it.effect("ends at once when a reactor fails before it first waits, also inside another's start", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make<string>({ name: "g" });
      const notes: Array<string> = [];
      yield* Effect.acquireRelease(Effect.void, () => Effect.sync(() => notes.push("released"))).pipe(
        Scope.provide(group.scope),
      );
      const nested = Effect.andThen(Effect.orDie(group.start(reactor("inner", Effect.fail("at once")))), Effect.never);
      yield* group.start(
        reactor(
          "outer",
          Effect.ensuring(
            nested,
            Effect.sync(() => notes.push("outer ended")),
          ),
        ),
      );
      const { cause } = yield* group.ended;
      assert.isTrue(cause._tag === "ReactorEnded" && cause.reactor === "inner");
      assert.deepStrictEqual(notes, ["outer ended", "released"]);
    }),
  );

  it.effect("lets a reactor stop its own group before it first waits", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make({ name: "g" });
      const notes: Array<string> = [];
      yield* Scope.addFinalizer(
        group.scope,
        Effect.sync(() => notes.push("released")),
      );
      const suicide = Effect.ensuring(
        Effect.andThen(
          Effect.sync(() => group.stopUnsafe("enough")),
          Effect.never,
        ),
        Effect.sync(() => notes.push("reactor ended")),
      );
      yield* group.start(reactor("r", suicide));
      assert.deepStrictEqual((yield* group.ended).cause, { _tag: "Stopped", reason: "enough" });
      assert.deepStrictEqual(notes, ["reactor ended", "released"]);
    }),
  );

  it.effect("releases what reactors acquired after all of them have ended, the last acquired first", () =>
    Effect.gen(function* () {
      const notes: Array<string> = [];
      const acquire = (name: string) => Effect.acquireRelease(Effect.void, () => Effect.sync(() => notes.push(name)));
      const owner = (name: string) =>
        Effect.andThen(
          acquire(name),
          Effect.ensuring(
            Effect.never,
            Effect.sync(() => notes.push(`${name} ended`)),
          ),
        );
      const group = yield* ReactorGroup.make({ name: "g" });
      yield* group.start(reactor("a", owner("a")));
      yield* group.start(reactor("b", owner("b")));
      yield* group.stop("done");
      assert.deepStrictEqual(notes, ["b ended", "a ended", "b", "a"]);
      yield* Effect.provideService(acquire("too late"), Scope.Scope, group.scope);
      assert.strictEqual(notes.at(-1), "too late");
    }),
  );

  it.effect("closes its links: those who hold an end outside learn of it", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make({ name: "g" });
      const commands = group.link<string>("commands");
      const replies = group.link<string>("replies");
      yield* commands.writer.offer("one");
      const waiting = yield* Effect.forkChild(Effect.flip(commands.writer.offer("two")), { startImmediately: true });
      const reading = yield* Effect.forkChild(Effect.flip(replies.reader.take), { startImmediately: true });
      yield* group.stop("done");
      assert.deepStrictEqual(yield* Fiber.join(waiting), new LinkClosed("commands", "release"));
      assert.deepStrictEqual(yield* Fiber.join(reading), new LinkEnded("replies", false));
      assert.deepStrictEqual(
        yield* Effect.flip(group.link<string>("late").writer.offer("x")),
        new LinkClosed("late", "release"),
      );
    }),
  );

  it.effect("goes on without a reactor that does not end by the deadline, and names it", () =>
    Effect.gen(function* () {
      const notes: Array<string> = [];
      const group = yield* ReactorGroup.make({ name: "g", teardownDeadline: "3 seconds" });
      const stubborn = Signal.make();
      yield* Scope.addFinalizer(
        group.scope,
        Effect.sync(() => notes.push("released")),
      );
      yield* group.start(waiter("good", notes));
      yield* group.start(reactor("stubborn", Effect.uninterruptible(stubborn.wait)));
      group.stopUnsafe("now");
      yield* TestClock.adjust("2999 millis");
      assert.deepStrictEqual(notes, ["good"]);
      yield* TestClock.adjust("1 millis");
      const end = yield* group.ended;
      assert.deepStrictEqual(notes, ["good", "released"]);
      assert.deepStrictEqual(end.overdue, ["stubborn"]);
      stubborn.notify();
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual(notes, ["good", "released"]);
    }),
  );

  it.effect("starts every release though one hangs and others fail, and tells so", () =>
    Effect.gen(function* () {
      const notes: Array<string> = [];
      const group = yield* ReactorGroup.make({ name: "g", teardownDeadline: "3 seconds" });
      const release = (name: string, then: Effect.Effect<unknown>) =>
        Scope.addFinalizer(
          group.scope,
          Effect.andThen(
            Effect.sync(() => notes.push(name)),
            then,
          ),
        );
      yield* release("first", Effect.void);
      yield* release("dies", Effect.die("bug"));
      yield* release("slow too", Effect.sleep("10 seconds"));
      yield* release("hangs", Effect.never);
      yield* release("slow", Effect.sleep("1 second"));
      yield* release("last", Effect.die("bug"));
      group.stopUnsafe("now");
      assert.deepStrictEqual(notes, ["last", "slow"]);
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual(notes, ["last", "slow", "hangs"]);
      yield* TestClock.adjust("2 seconds");
      const end = yield* group.ended;
      assert.deepStrictEqual(notes, ["last", "slow", "hangs", "slow too", "dies", "first"]);
      assert.deepStrictEqual([end.overdue, end.overdueReleases, end.releaseFailures.length], [[], 2, 2]);
    }),
  );

  it.effect("is not changed any more by a release that ends after its deadline", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make({ name: "g", teardownDeadline: "1 second" });
      yield* Scope.addFinalizer(group.scope, Effect.andThen(Effect.sleep("5 seconds"), Effect.die("late")));
      group.stopUnsafe("now");
      yield* TestClock.adjust("1 second");
      const end = yield* group.ended;
      yield* TestClock.adjust("1 minute");
      assert.deepStrictEqual([end.overdueReleases, end.releaseFailures], [1, []]);
      assert.strictEqual(yield* group.ended, end);
    }),
  );

  it.effect("leaves no timer behind", () =>
    withSleepers((sleepers) =>
      Effect.gen(function* () {
        yield* TestClock.adjust(0);
        const group = yield* ReactorGroup.make({ name: "g" });
        yield* Scope.addFinalizer(group.scope, Effect.sleep("1 second"));
        yield* group.start(
          reactor(
            "slow",
            Effect.onInterrupt(Effect.never, () => Effect.sleep("1 second")),
          ),
        );
        group.stopUnsafe("now");
        assert.strictEqual(sleepers(), 2);
        yield* TestClock.adjust("2 seconds");
        assert.deepStrictEqual((yield* group.ended).overdue, []);
        assert.strictEqual(sleepers(), 0);
      }),
    ),
  );

  it.effect("tells releases how it ended", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make<string>({ name: "g" });
      const exits: Array<Exit.Exit<unknown, unknown>> = [];
      yield* Scope.addFinalizerExit(group.scope, (exit) => Effect.sync(() => exits.push(exit)));
      yield* group.start(reactor("r", Effect.fail("why")));
      yield* group.ended;
      assert.deepStrictEqual(exits, [Exit.fail("why")]);
    }),
  );

  it.effect("run fails with its setup, and tears down what the setup had started", () =>
    Effect.gen(function* () {
      const notes: Array<string> = [];
      const failure = yield* ReactorGroup.run({ name: "g" }, (group) =>
        Effect.andThen(group.start(waiter("a", notes)), Effect.fail("no wiring")),
      ).pipe(Effect.flip);
      assert.strictEqual(failure, "no wiring");
      assert.deepStrictEqual(notes, ["a"]);
    }),
  );

  it.effect("run ends its group when it is interrupted", () =>
    Effect.gen(function* () {
      const notes: Array<string> = [];
      const running = yield* Effect.forkChild(
        ReactorGroup.run({ name: "g" }, (group) => group.start(waiter("a", notes))),
        { startImmediately: true },
      );
      yield* Fiber.interrupt(running);
      assert.deepStrictEqual(notes, ["a"]);
    }),
  );

  it.effect("start can be handed over by itself", () =>
    Effect.gen(function* () {
      const notes: Array<string> = [];
      const { start, stop } = yield* ReactorGroup.make({ name: "g" });
      yield* Effect.forEach([waiter("a", notes), waiter("b", notes)], start);
      yield* stop("done");
      assert.deepStrictEqual(notes, ["b", "a"]);
    }),
  );
});
