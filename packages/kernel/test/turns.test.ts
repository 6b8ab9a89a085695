import { assert, describe, it } from "@effect/vitest";
import { Cause, Effect, Exit, Fiber, Scope } from "effect";
import { TestClock } from "effect/testing";
import { withSleepers } from "../../../test/support/counting-clock.ts";
import { GroupClosed, LinkEnded, Reactor, ReactorGroup, Signal, Topology } from "../src/index.ts";

const port = Reactor.port;

/** What a reactor of these tests is given: its signal, and where it notes what it does. */
interface Given {
  readonly signal: Signal;
  readonly notes: Array<string>;
}

const given = (): Given => ({ signal: Signal.make(), notes: [] });

/** Takes numbers until there are none; each turn is noted with their sum. */
const adder = Reactor.turns({
  name: "adder",
  reads: { numbers: port<number, string>() },
  writes: {},
  signal: ({ signal }: Given) => signal,
  turn: ({ notes }, { numbers }) => {
    notes.push("begins");
    return () => {
      let sum = 0;
      for (let taken = numbers.takeUnsafe(); taken !== undefined; taken = numbers.takeUnsafe()) {
        if (Exit.isFailure(taken)) return Effect.failCause(taken.cause);
        sum += taken.value;
      }
      notes.push(`sum ${sum}`);
      return undefined;
    };
  },
});

/** A reactor without links that does the same each time that it is notified. */
const doing = (what: (given: Given) => Effect.Effect<void, string> | undefined) =>
  Reactor.turns({
    name: "doing",
    reads: {},
    writes: {},
    signal: ({ signal }: Given) => signal,
    turn: (given) => {
      let waited = false;
      return () => {
        const wait = waited ? undefined : what(given);
        waited = wait !== undefined;
        return wait;
      };
    },
  });

/** Lets whoever was woken have a turn. */
const settle = Effect.repeat(Effect.yieldNow, { times: 20 });

describe("a reactor in turns", () => {
  it.effect("does nothing until it is notified, and then makes its state once", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make<string>({ name: "g" });
      const parts = given();
      const link = group.link<number, string>("numbers");
      yield* group.start(adder(parts).wire({ numbers: link.reader }));
      yield* settle;
      assert.deepStrictEqual(parts.notes, []);
      for (const number of [1, 2]) {
        assert.isTrue(link.writer.offerUnsafe(number));
        yield* settle;
      }
      parts.signal.notify();
      yield* settle;
      assert.deepStrictEqual(parts.notes, ["begins", "sum 1", "sum 2", "sum 0"]);
    }),
  );

  it.effect("sees what was there before it was started", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make<string>({ name: "g" });
      const parts = given();
      const link = group.link<number, string>("numbers");
      link.writer.offerUnsafe(7);
      assert.isTrue(group.startTurns(adder(parts).wire({ numbers: link.reader })));
      const noted = given();
      noted.signal.notify();
      yield* group.start(doing(({ notes }) => void notes.push("turn"))(noted).wire({}));
      yield* settle;
      assert.deepStrictEqual(parts.notes, ["begins", "sum 7"]);
      assert.deepStrictEqual(noted.notes, ["turn"]);
    }),
  );

  it.effect("does not run inside the notify, and many notifies before its turn are one", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make<string>({ name: "g" });
      const parts = given();
      yield* group.start(doing(({ notes }) => void notes.push("turn"))(parts).wire({}));
      for (let time = 0; time < 5; time++) parts.signal.notify();
      assert.deepStrictEqual(parts.notes, []);
      yield* settle;
      assert.deepStrictEqual(parts.notes, ["turn"]);
    }),
  );

  it.effect("has another turn when what it waited for has come, and none before", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make<string>({ name: "g" });
      const { signal, notes } = given();
      const gate = Signal.make();
      const turns: ReadonlyArray<Effect.Effect<void> | undefined> = [gate.wait, Effect.void, gate.wait, undefined];
      const patient = Reactor.turns({
        name: "patient",
        reads: {},
        writes: {},
        signal: () => signal,
        turn: () => () => turns[notes.push(`turn ${notes.length}`) - 1],
      });
      yield* group.start(patient({}).wire({}));
      signal.notify();
      yield* settle;
      signal.notify();
      signal.notify();
      yield* settle;
      assert.deepStrictEqual(notes, ["turn 0"]);
      gate.notify();
      yield* settle;
      // The second one has not waited, so the third follows at once.
      assert.deepStrictEqual(notes, ["turn 0", "turn 1", "turn 2"]);
      gate.notify();
      yield* settle;
      assert.deepStrictEqual(notes, ["turn 0", "turn 1", "turn 2", "turn 3"]);
    }),
  );

  it.effect("that found a link full has a turn when it has room", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make<string>({ name: "g" });
      const [into, out] = [group.link<number>("into"), group.link<number>("out")];
      const forwarder = Reactor.turns({
        name: "forwarder",
        reads: { from: port<number>() },
        writes: { to: port<number>() },
        signal: (signal: Signal) => signal,
        turn:
          (signal, { from, to }) =>
          () => {
            while (!to.waitsForRoom(signal)) {
              const taken = from.takeUnsafe();
              if (taken === undefined) break;
              if (Exit.isFailure(taken)) return Effect.failCause(taken.cause);
              to.offerUnsafe(taken.value);
            }
            return undefined;
          },
      });
      yield* group.start(forwarder(Signal.make()).wire({ from: into.reader, to: out.writer }));
      for (const item of [1, 2]) {
        assert.isTrue(into.writer.offerUnsafe(item));
        yield* settle;
      }
      assert.isFalse(into.writer.offerUnsafe(3));
      assert.deepInclude(out.writer.counters(), { items: 1, writerBlocks: 1, writerBlockedNanos: 0 });
      yield* TestClock.adjust("3 millis");
      assert.deepInclude(out.writer.counters(), { writerBlocks: 1, writerBlockedNanos: 3e6 });
      assert.deepStrictEqual(yield* out.reader.take, 1);
      yield* settle;
      assert.isTrue(into.writer.offerUnsafe(3));
      yield* TestClock.adjust("1 millis");
      assert.deepStrictEqual([yield* out.reader.take, yield* out.reader.take], [2, 3]);
      assert.deepInclude(out.writer.counters(), { items: 3, writerBlockedNanos: 4e6 });
    }),
  );

  it.effect("has its turns after the others if it is the last, and then sees what all of them have made", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make<string>({ name: "g" });
      const notes: Array<string> = [];
      const [gathering, making] = [Signal.make(), Signal.make()];
      const reactor = (name: string, isLast: boolean, turn: () => void) =>
        Reactor.turns({
          name,
          reads: {},
          writes: {},
          isLast,
          signal: (signal: Signal) => signal,
          turn: () => () => void turn(),
        });
      let made = 0;
      const gatherer = reactor("gatherer", true, () => notes.push(`gathered ${made}`));
      const maker = reactor("maker", false, () => {
        made++;
        gathering.notify();
        if (made % 300 !== 0) making.notify();
      });
      yield* group.start(gatherer(gathering).wire({}));
      yield* group.start(maker(making).wire({}));
      making.notify();
      yield* settle;
      // Not before the first is through with all that it has to do, but in each turn of the event loop.
      assert.deepStrictEqual(notes, ["gathered 256", "gathered 300"]);
    }),
  );

  it.effect("ends its group by a turn that fails, dies, or whose making throws; the rest are consequences", () =>
    Effect.gen(function* () {
      const bug = new Error("a bug");
      const turns = [
        doing(() => Effect.fail("wrong")),
        doing(() => Effect.die(bug)),
        doing(() => {
          throw bug;
        }),
      ];
      const causes: Array<unknown> = [];
      for (const turn of turns) {
        const group = yield* ReactorGroup.make<string>({ name: "g" });
        const [failing, other] = [given(), given()];
        yield* group.start(turn(failing).wire({}));
        yield* group.start(doing(() => Effect.fail("later"))(other).wire({}));
        failing.signal.notify();
        other.signal.notify();
        const { cause, overdue } = yield* group.ended;
        assert.deepStrictEqual(overdue, []);
        if (cause._tag !== "ReactorEnded" || Exit.isSuccess(cause.exit)) return assert.fail(cause._tag);
        assert.strictEqual(cause.reactor, "doing");
        causes.push(Cause.squash(cause.exit.cause));
      }
      assert.deepStrictEqual(causes, ["wrong", bug, bug]);
    }),
  );

  it.effect("meets the end of a link as its own end", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make<string>({ name: "g" });
      const link = group.link<number, string>("numbers");
      yield* group.start(adder(given()).wire({ numbers: link.reader }));
      yield* link.writer.end;
      const { cause } = yield* group.ended;
      if (cause._tag !== "ReactorEnded" || Exit.isSuccess(cause.exit)) return assert.fail(cause._tag);
      assert.instanceOf(Cause.squash(cause.exit.cause), LinkEnded);
    }),
  );

  it.effect(
    "is interrupted in a turn that waits, before what the group holds is released, and has no turn afterwards",
    () =>
      Effect.gen(function* () {
        const parts = given();
        const { notes, signal } = parts;
        const group = yield* ReactorGroup.make<string>({ name: "g", onRelease: () => notes.push("released") });
        yield* Scope.addFinalizer(
          group.scope,
          Effect.sync(() => notes.push("scope")),
        );
        yield* group.start(
          doing(({ notes }) => Effect.onInterrupt(Effect.never, () => Effect.sync(() => notes.push("interrupted"))))(
            parts,
          ).wire({}),
        );
        signal.notify();
        yield* settle;
        signal.notify();
        yield* group.stop("enough");
        signal.notify();
        yield* settle;
        assert.deepStrictEqual(notes, ["interrupted", "scope", "released"]);
      }),
  );

  it.effect("may stop its own group in a turn: the release waits for the turn", () =>
    Effect.gen(function* () {
      const parts = given();
      const group: ReactorGroup<string> = yield* ReactorGroup.make<string>({
        name: "g",
        onRelease: () => parts.notes.push("released"),
      });
      yield* group.start(
        doing(({ notes }) => {
          group.stopUnsafe("from within");
          notes.push("turn ends");
          return undefined;
        })(parts).wire({}),
      );
      parts.signal.notify();
      const end = yield* group.ended;
      assert.deepStrictEqual(end.cause, { _tag: "Stopped", reason: "from within" });
      assert.deepStrictEqual(parts.notes, ["turn ends", "released"]);
    }),
  );

  it.effect("that hangs uninterruptibly in a turn is named at the deadline, one that does not is not", () =>
    withSleepers((sleepers) =>
      Effect.gen(function* () {
        const group = yield* ReactorGroup.make<string>({ name: "g" });
        const [hanging, idle] = [given(), given()];
        const open = Signal.make();
        yield* group.start(doing(() => Effect.uninterruptible(open.wait))(hanging).wire({}));
        yield* group.start(adder(idle).wire({ numbers: group.link<number, string>("numbers").reader }));
        hanging.signal.notify();
        yield* settle;
        const stopping = yield* Effect.forkChild(group.stop("enough"), { startImmediately: true });
        yield* TestClock.adjust("5 seconds");
        assert.deepStrictEqual((yield* Fiber.join(stopping)).overdue, ["doing"]);
        open.notify();
        yield* settle;
        assert.strictEqual(sleepers(), 0);
      }),
    ),
  );

  it.effect("cannot be started once its group is ending", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make<string>({ name: "g" });
      yield* group.stop("enough");
      const parts = given();
      const wired = doing(({ notes }) => void notes.push("turn"))(parts).wire({});
      assert.isFalse(group.startTurns(wired));
      assert.deepStrictEqual(yield* Effect.exit(group.start(wired)), Exit.fail(new GroupClosed("g")));
      parts.signal.notify();
      yield* settle;
      assert.deepStrictEqual(parts.notes, []);
    }),
  );

  it.effect("is in the topology while its group lives, between its turns too", () =>
    Effect.gen(function* () {
      const group = yield* ReactorGroup.make<string>({ name: "g" });
      const link = group.link<number, string>("numbers");
      yield* group.start(adder(given()).wire({ numbers: link.reader }));
      const [seen] = (yield* Topology.snapshot).groups;
      assert.deepStrictEqual(
        seen?.reactors.map(({ name, reads }) => [name, reads.map((read) => read.port)]),
        [["adder", ["numbers"]]],
      );
      yield* group.stop("enough");
      assert.deepStrictEqual((yield* Topology.snapshot).groups, []);
    }).pipe(Effect.provideServiceEffect(Topology.Registry, Effect.sync(Topology.makeUnsafe))),
  );
});

describe("a host of groups", () => {
  it.effect("ends all groups that were made there when its scope closes, and waits for them", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      const host = yield* Scope.provide(ReactorGroup.host, scope);
      const notes: Array<string> = [];
      const groups = ["a", "b", "c"].map((name) => host.make<string>({ name, onRelease: () => notes.push(name) }));
      yield* groups[1]!.stop("by itself");
      yield* Effect.forEach(groups.slice(0, 1), (group) =>
        Effect.andThen(
          Scope.addFinalizer(
            group.scope,
            Effect.andThen(
              Effect.yieldNow,
              Effect.sync(() => notes.push("slow")),
            ),
          ),
          group.start(doing(() => undefined)(given()).wire({})),
        ),
      );
      yield* Scope.close(scope, Exit.void);
      assert.deepStrictEqual(notes, ["b", "c", "slow", "a"]);
      assert.deepStrictEqual(groups[0]!.cause, { _tag: "ScopeClosed", exit: Exit.void });
      const late = host.make({ name: "late" });
      assert.strictEqual((yield* late.ended).cause._tag, "ScopeClosed");
    }),
  );

  it.effect("keeps what a release throws, and tells the end all the same", () =>
    Effect.gen(function* () {
      const bug = new Error("a bug");
      const host = yield* ReactorGroup.host;
      const group = host.make({
        name: "g",
        onRelease: () => {
          throw bug;
        },
      });
      const end = yield* group.stop("enough");
      assert.deepStrictEqual(
        end.releaseFailures.map((cause) => Cause.squash(cause)),
        [bug],
      );
      assert.strictEqual(yield* group.ended, end);
    }),
  );

  it.effect("gives a scope that is asked for after the end as a closed one", () =>
    Effect.gen(function* () {
      const host = yield* ReactorGroup.host;
      const group = host.make({ name: "g" });
      yield* group.stop("enough");
      let released = false;
      yield* Scope.addFinalizer(
        group.scope,
        Effect.sync(() => {
          released = true;
        }),
      );
      assert.isTrue(released);
    }),
  );
});
