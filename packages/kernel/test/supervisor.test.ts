import { assert, describe, it } from "@effect/vitest";
import { Cause, Effect, Exit, Fiber, Schedule, Scope } from "effect";
import { TestClock } from "effect/testing";
import { Reactor, Supervisor, SupervisorClosed, TaskNameTaken, TaskPolicy, Topology } from "../src/index.ts";

/** Runs forever, and notes its start and its stop. */
const steady = (name: string, notes: Array<string>) => ({
  name,
  run: Effect.andThen(
    Effect.sync(() => notes.push(`${name} starts`)),
    Effect.onInterrupt(Effect.never, () => Effect.sync(() => notes.push(`${name} stops`))),
  ),
});

/** Runs for a second and then fails, as often as it is started; notes each start. */
const flaky = (notes: Array<number>) => ({
  name: "flaky",
  run: Effect.gen(function* () {
    notes.push(notes.length);
    yield* Effect.sleep("1 second");
    return yield* Effect.fail("timeout" as const);
  }),
});

const everySecond = Schedule.spaced("1 second");

describe("Supervisor", () => {
  it.effect("stops all tasks when a fatal one ends, the last started first", () =>
    Effect.gen(function* () {
      const notes: Array<string> = [];
      const supervisor = yield* Supervisor.make({ name: "node" });
      yield* supervisor.start(steady("a", notes), TaskPolicy.fatal);
      yield* supervisor.start(
        { name: "b", run: Effect.andThen(Effect.sleep("1 second"), Effect.fail("why")) },
        TaskPolicy.fatal,
      );
      yield* supervisor.start(steady("c", notes), TaskPolicy.restart());
      yield* TestClock.adjust("1 second");
      const end = yield* supervisor.ended;
      assert.deepStrictEqual(notes, ["a starts", "c starts", "c stops", "a stops"]);
      assert.deepStrictEqual(end.cause, { _tag: "TaskFailed", task: "b", exit: Exit.fail("why"), why: "policy" });
      assert.deepStrictEqual(
        end.tasks.map(({ name, status, since }) => [name, status, since]),
        [
          ["a", "stopped", 1000],
          ["b", "failed", 1000],
          ["c", "stopped", 1000],
        ],
      );
    }),
  );

  it.effect("takes the success of a fatal task, too, for its end", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.make({ name: "s" });
      yield* supervisor.start({ name: "must run", run: Effect.succeed(7) }, TaskPolicy.fatal);
      const { cause } = yield* supervisor.ended;
      assert.deepStrictEqual(cause, { _tag: "TaskFailed", task: "must run", exit: Exit.succeed(7), why: "policy" });
    }),
  );

  it.effect("waits for one task to stop before it stops the one before it", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(0);
      const notes: Array<string> = [];
      const supervisor = yield* Supervisor.make({ name: "s" });
      yield* supervisor.start(steady("a", notes), TaskPolicy.fatal);
      const slow = Effect.onInterrupt(Effect.never, () =>
        Effect.andThen(
          Effect.sleep("2 seconds"),
          Effect.sync(() => notes.push("slow stops")),
        ),
      );
      yield* supervisor.start({ name: "slow", run: slow }, TaskPolicy.fatal);
      const stopping = yield* Effect.forkChild(supervisor.stop("bye"), { startImmediately: true });
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual(notes, ["a starts"]);
      yield* TestClock.adjust("1 second");
      const end = yield* Fiber.join(stopping);
      assert.deepStrictEqual(notes, ["a starts", "slow stops", "a stops"]);
      assert.deepStrictEqual(end.cause, { _tag: "Stopped", reason: "bye" });
    }),
  );

  it.effect("goes on without a task that does not stop in time, and says so", () =>
    Effect.gen(function* () {
      const notes: Array<string> = [];
      const supervisor = yield* Supervisor.make({ name: "s", taskStopDeadline: "3 seconds" });
      yield* supervisor.start(steady("a", notes), TaskPolicy.fatal);
      const stuck = yield* supervisor.start(
        { name: "stuck", run: Effect.uninterruptible(Effect.sleep("1 minute")) },
        TaskPolicy.once,
      );
      const stopping = yield* Effect.forkChild(supervisor.stop("bye"), { startImmediately: true });
      yield* TestClock.adjust("3 seconds");
      const end = yield* Fiber.join(stopping);
      assert.deepStrictEqual(notes, ["a starts", "a stops"]);
      assert.deepStrictEqual(
        end.tasks.map((task) => task.status),
        ["stopped", "overdue"],
      );
      assert.strictEqual((yield* stuck.ended).status, "overdue");
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(stuck.state().status, "stopped");
    }),
  );

  it.effect("starts a task again by its schedule, and tells how it stands", () =>
    Effect.gen(function* () {
      const starts: Array<number> = [];
      const supervisor = yield* Supervisor.make({ name: "s" });
      const task = yield* supervisor.start(
        flaky(starts),
        TaskPolicy.restart({ schedule: Schedule.spaced("5 seconds") }),
      );
      assert.deepStrictEqual(task.state(), {
        name: "flaky",
        status: "running",
        restarts: 0,
        lastFailure: undefined,
        since: 0,
      });
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual(task.state(), {
        name: "flaky",
        status: "waiting",
        restarts: 0,
        lastFailure: Cause.fail("timeout"),
        since: 1000,
      });
      yield* TestClock.adjust("5 seconds");
      assert.deepStrictEqual(supervisor.tasks(), [
        { name: "flaky", status: "running", restarts: 1, lastFailure: Cause.fail("timeout"), since: 6000 },
      ]);
      assert.deepStrictEqual(starts, [0, 1]);
    }),
  );

  it.effect("waits longer and longer by default, up to a minute", () =>
    Effect.gen(function* () {
      const starts: Array<number> = [];
      const supervisor = yield* Supervisor.make({ name: "s" });
      const task = {
        name: "t",
        run: Effect.flatMap(
          Effect.clockWith((clock) => clock.currentTimeMillis),
          (now) =>
            Effect.andThen(
              Effect.sync(() => starts.push(now)),
              Effect.fail("x"),
            ),
        ),
      };
      yield* supervisor.start(task, TaskPolicy.restart({ maxRestarts: 9 }));
      yield* TestClock.adjust("5 minutes");
      assert.deepStrictEqual(
        starts.map((at) => at / 1000),
        [0, 1, 3, 7, 15, 31, 63, 123, 183, 243],
      );
    }),
  );

  it.effect("gives up after too many restarts within the window", () =>
    Effect.gen(function* () {
      const starts: Array<number> = [];
      const supervisor = yield* Supervisor.make({ name: "s" });
      yield* supervisor.start(
        flaky(starts),
        TaskPolicy.restart({ schedule: everySecond, maxRestarts: 3, window: "1 minute" }),
      );
      yield* TestClock.adjust("1 minute");
      const { cause } = yield* supervisor.ended;
      assert.deepStrictEqual(starts, [0, 1, 2, 3]);
      assert.deepStrictEqual(cause, {
        _tag: "TaskFailed",
        task: "flaky",
        exit: Exit.fail("timeout"),
        why: "too many restarts",
      });
    }),
  );

  it.effect("does not give up when the restarts are far enough apart", () =>
    Effect.gen(function* () {
      const starts: Array<number> = [];
      const supervisor = yield* Supervisor.make({ name: "s" });
      yield* supervisor.start(
        flaky(starts),
        TaskPolicy.restart({ schedule: everySecond, maxRestarts: 3, window: "5 seconds" }),
      );
      yield* TestClock.adjust("1 minute");
      assert.isUndefined(supervisor.cause);
      assert.isAbove(starts.length, 20);
    }),
  );

  it.effect("takes the end of a schedule for the end of its patience, but begins it anew after a long run", () =>
    Effect.gen(function* () {
      let runs = 0;
      const supervisor = yield* Supervisor.make({ name: "s" });
      const task = {
        name: "t",
        run: Effect.suspend(() => {
          runs++;
          return runs === 2 ? Effect.andThen(Effect.sleep("1 hour"), Effect.fail("x")) : Effect.fail("x");
        }),
      };
      const twice = Schedule.max([Schedule.recurs(1), everySecond]);
      yield* supervisor.start(task, TaskPolicy.restart({ schedule: twice, window: "1 minute" }));
      yield* TestClock.adjust("59 minutes");
      assert.strictEqual(runs, 2);
      yield* TestClock.adjust("1 hour");
      const { cause } = yield* supervisor.ended;
      assert.strictEqual(runs, 3);
      assert.isTrue(cause._tag === "TaskFailed" && cause.why === "schedule over");
    }),
  );

  it.effect("tells transient failures from others by the task's word", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.make({ name: "s" });
      let runs = 0;
      const task = {
        name: "t",
        run: Effect.suspend(() => (++runs < 3 ? Effect.fail("network" as const) : Effect.die("bug"))),
      };
      yield* supervisor.start(
        task,
        TaskPolicy.restart<"network">({ schedule: everySecond, isTransient: (cause) => !Cause.hasDies(cause) }),
      );
      yield* TestClock.adjust("10 seconds");
      const { cause } = yield* supervisor.ended;
      assert.strictEqual(runs, 3);
      assert.deepStrictEqual(cause, { _tag: "TaskFailed", task: "t", exit: Exit.die("bug"), why: "not transient" });
    }),
  );

  it.effect("survives defects and interruptions of a task that may be restarted", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.make({ name: "s" });
      let runs = 0;
      const ends = [Effect.die("bug"), Effect.interrupt, Effect.void, Effect.never];
      const task = { name: "t", run: Effect.suspend(() => ends[runs++] ?? Effect.never) };
      const handle = yield* supervisor.start(task, TaskPolicy.restart({ schedule: everySecond }));
      yield* TestClock.adjust("10 seconds");
      assert.strictEqual(runs, 4);
      assert.deepStrictEqual([handle.state().status, handle.state().restarts], ["running", 3]);
    }),
  );

  it.effect("lets a task be done", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.make({ name: "s" });
      const once = yield* supervisor.start({ name: "once", run: Effect.sleep("1 second") }, TaskPolicy.once);
      const until = yield* supervisor.start(
        { name: "until", run: Effect.sleep("2 seconds") },
        TaskPolicy.restart({ onSuccess: "done" }),
      );
      yield* TestClock.adjust("2 seconds");
      assert.strictEqual((yield* once.ended).status, "done");
      assert.strictEqual((yield* until.ended).status, "done");
      assert.strictEqual(once.state().status, "done");
      assert.isUndefined(supervisor.cause);
    }),
  );

  it.effect("ends when the task that had something to finish fails", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.make({ name: "s" });
      yield* supervisor.start({ name: "once", run: Effect.fail("no") }, TaskPolicy.once);
      assert.isTrue((yield* supervisor.ended).cause._tag === "TaskFailed");
    }),
  );

  it.effect("releases what a run acquired before the next one starts", () =>
    Effect.gen(function* () {
      const notes: Array<string> = [];
      const supervisor = yield* Supervisor.make({ name: "s" });
      const run = Effect.gen(function* () {
        yield* Effect.acquireRelease(
          Effect.sync(() => notes.push("open")),
          () => Effect.sync(() => notes.push("close")),
        );
        yield* Effect.sleep("1 second");
      });
      yield* supervisor.start({ name: "t", run }, TaskPolicy.restart({ schedule: everySecond }));
      yield* TestClock.adjust("2 seconds");
      yield* supervisor.stop("bye");
      assert.deepStrictEqual(notes, ["open", "close", "open", "close"]);
    }),
  );

  it.effect("stops one task alone, and its name can be used again", () =>
    Effect.gen(function* () {
      const notes: Array<string> = [];
      const supervisor = yield* Supervisor.make({ name: "s" });
      const task = yield* supervisor.start(steady("t", notes), TaskPolicy.fatal);
      const taken = yield* Effect.flip(supervisor.start(steady("t", notes), TaskPolicy.fatal));
      assert.deepStrictEqual(taken, new TaskNameTaken("s", "t"));
      assert.strictEqual((yield* task.stop).status, "stopped");
      assert.isUndefined(supervisor.cause);
      yield* supervisor.start(steady("t", notes), TaskPolicy.fatal);
      assert.deepStrictEqual(notes, ["t starts", "t stops", "t starts"]);
      assert.deepStrictEqual(
        supervisor.tasks().map((state) => state.status),
        ["running"],
      );
    }),
  );

  it.effect("stops a task while it waits for its next start", () =>
    Effect.gen(function* () {
      const starts: Array<number> = [];
      const supervisor = yield* Supervisor.make({ name: "s" });
      const task = yield* supervisor.start(flaky(starts), TaskPolicy.restart({ schedule: Schedule.spaced("1 hour") }));
      yield* TestClock.adjust("1 second");
      assert.strictEqual((yield* task.stop).status, "stopped");
      yield* TestClock.adjust("2 hours");
      assert.deepStrictEqual(starts, [0]);
    }),
  );

  it.effect("runs reactors by the same policies", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.make({ name: "s" });
      let starts = 0;
      const ticker = Reactor.make({
        name: "ticker",
        reads: {},
        writes: {},
        run: () => {
          // Fresh for each start.
          let ticks = 0;
          starts++;
          return Effect.repeat(
            Effect.suspend(() => (++ticks === 3 ? Effect.fail("tired") : Effect.sleep("1 second"))),
            {
              until: () => false,
            },
          );
        },
      });
      yield* supervisor.start(ticker.wire({}), TaskPolicy.restart({ schedule: everySecond }));
      yield* TestClock.adjust("5 seconds");
      assert.strictEqual(starts, 2);
      assert.strictEqual(supervisor.tasks()[0]?.name, "ticker");
    }),
  );

  it.effect("ends with the scope it was made in, and starts nothing after", () =>
    Effect.gen(function* () {
      const notes: Array<string> = [];
      const scope = yield* Scope.make();
      const supervisor = yield* Scope.provide(Supervisor.make({ name: "s" }), scope);
      yield* supervisor.start(steady("a", notes), TaskPolicy.fatal);
      yield* Scope.close(scope, Exit.void);
      assert.deepStrictEqual(notes, ["a starts", "a stops"]);
      assert.deepStrictEqual((yield* supervisor.ended).cause, { _tag: "ScopeClosed", exit: Exit.void });
      assert.deepStrictEqual(
        yield* Effect.flip(supervisor.start(steady("b", notes), TaskPolicy.fatal)),
        new SupervisorClosed("s"),
      );
    }),
  );

  it.effect("leaves the scope it was made in, and the topology, when it ends first", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      const supervisor = yield* Scope.provide(Supervisor.make({ name: "s" }), scope);
      yield* supervisor.start(steady("a", []), TaskPolicy.fatal);
      assert.deepStrictEqual(
        (yield* Topology.snapshot).supervisors.map((s) => [s.name, s.tasks.length]),
        [["s", 1]],
      );
      yield* supervisor.stop("bye");
      assert.strictEqual(scope.state._tag, "Empty");
      assert.deepStrictEqual((yield* Topology.snapshot).supervisors, []);
    }).pipe(Effect.provideService(Topology.Registry, Topology.makeUnsafe())),
  );

  it.effect("ends, and hides nothing, when a policy itself throws", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.make({ name: "s" });
      const policy = TaskPolicy.restart({
        isTransient: () => {
          throw new Error("bad predicate");
        },
      });
      yield* supervisor.start({ name: "t", run: Effect.fail("x") }, policy);
      const { cause, tasks } = yield* supervisor.ended;
      assert.isTrue(cause._tag === "TaskFailed" && Exit.isFailure(cause.exit) && Cause.hasDies(cause.exit.cause));
      assert.strictEqual(tasks[0]?.status, "failed");
    }),
  );

  it.effect("keeps the first cause, and ends once", () =>
    Effect.gen(function* () {
      const notes: Array<string> = [];
      const supervisor = yield* Supervisor.make({ name: "s" });
      const stubborn = Effect.onInterrupt(Effect.never, () => Effect.sync(() => notes.push("stops")));
      yield* supervisor.start({ name: "t", run: stubborn }, TaskPolicy.fatal);
      yield* supervisor.stop("first");
      assert.deepStrictEqual((yield* supervisor.stop("second")).cause, { _tag: "Stopped", reason: "first" });
      assert.deepStrictEqual(supervisor.cause, { _tag: "Stopped", reason: "first" });
      assert.deepStrictEqual(notes, ["stops"]);
    }),
  );

  it.effect("stops a task that ends the supervisor before it first waits", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.make({ name: "s" });
      const run = Effect.andThen(
        Effect.forkDetach(supervisor.stop("at once"), { startImmediately: true }),
        Effect.never,
      );
      const task = yield* supervisor.start({ name: "t", run }, TaskPolicy.fatal);
      assert.strictEqual((yield* task.ended).status, "stopped");
      yield* supervisor.ended;
    }),
  );

  it.effect("may be stopped by one of its own tasks", () =>
    Effect.gen(function* () {
      const supervisor = yield* Supervisor.make({ name: "s" });
      yield* supervisor.start(
        { name: "t", run: Effect.andThen(Effect.sleep("1 second"), supervisor.stop("from inside")) },
        TaskPolicy.fatal,
      );
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual((yield* supervisor.ended).cause, { _tag: "Stopped", reason: "from inside" });
    }),
  );
});
