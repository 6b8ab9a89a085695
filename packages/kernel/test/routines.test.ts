import { assert, describe, it } from "@effect/vitest";
import { Cause, Effect, Exit, Scope } from "effect";
import { TestClock } from "effect/testing";
import { withSleepers } from "../../../test/support/counting-clock.ts";
import {
  type Disconnecting,
  DuplicateSession,
  GenerationMap,
  isDisconnecting,
  Link,
  LinkEnded,
  LocalReject,
  nextGeneration,
  ProtocolReject,
  Routine,
  type RoutineEnd,
  type RoutineError,
  Routines,
  RoutinesClosed,
  Signal,
  StreamClosed,
  Topology,
} from "../src/index.ts";

/** What a routine did, and what was done to its peer. */
interface Notes {
  readonly admitted: Array<string>;
  readonly released: Array<readonly [string, RoutineEnd["_tag"]]>;
  readonly disconnected: Array<string>;
}

const makeNotes = (): Notes => ({ admitted: [], released: [], disconnected: [] });

/** A routine that admits its peer, does `run`, and notes everything. */
const noting = (notes: Notes, run: Effect.Effect<unknown, RoutineError, Scope.Scope>) =>
  Routine.make<string, string, Scope.Scope>({
    name: "noting",
    admit: ({ peer }) =>
      Effect.sync(() => {
        notes.admitted.push(peer);
        return `state of ${peer}`;
      }),
    run: () => run,
    release: (state, end) => Effect.sync(() => notes.released.push([state, end._tag])),
    disconnect: (end: Disconnecting, { peer }) => Effect.sync(() => notes.disconnected.push(`${peer}: ${end._tag}`)),
  });

describe("Routine: every exit path", () => {
  const bug = new Error("bug");
  const protocol = new ProtocolReject("unsolicited headers");
  const local = new LocalReject("queue closed");
  const paths: ReadonlyArray<readonly [string, Effect.Effect<unknown, RoutineError>, RoutineEnd]> = [
    ["normal end", Effect.void, { _tag: "Done" }],
    ["stream closed", Effect.fail(new StreamClosed()), { _tag: "StreamClosed" }],
    ["link ended", Effect.fail(new LinkEnded("frames", true)), { _tag: "StreamClosed" }],
    ["protocol reject", Effect.fail(protocol), { _tag: "ProtocolReject", reject: protocol }],
    ["local reject", Effect.fail(local), { _tag: "LocalReject", reject: local }],
    ["defect", Effect.die(bug), { _tag: "Defect", cause: Cause.die(bug) }],
    ["interruption of its own", Effect.interrupt, { _tag: "Cancelled", by: "itself" }],
  ];
  for (const [what, how, expected] of paths) {
    it.effect(`releases once after: ${what}`, () =>
      Effect.gen(function* () {
        const notes = makeNotes();
        const routines = yield* Routines.make<string>({ name: "service" });
        const session = yield* routines.start(noting(notes, Effect.andThen(Effect.sleep("1 second"), how)), "alice");
        assert.deepStrictEqual([notes.admitted, notes.released, routines.size], [["alice"], [], 1]);
        yield* TestClock.adjust("1 second");
        const report = yield* session.ended;
        assert.deepStrictEqual(report, {
          routine: "noting",
          peer: "alice",
          generation: session.generation,
          end: expected,
          releaseFailures: [],
          overdueReleases: 0,
        });
        assert.deepStrictEqual(notes.released, [["state of alice", expected._tag]]);
        const ends = expected._tag === "ProtocolReject" || expected._tag === "Defect";
        assert.strictEqual(isDisconnecting(expected), ends);
        assert.deepStrictEqual(notes.disconnected, ends ? [`alice: ${expected._tag}`] : []);
        assert.strictEqual(routines.size, 0);
        assert.isUndefined(routines.current("alice"));
      }),
    );
  }

  it.effect("releases once after: cancel, however often", () =>
    Effect.gen(function* () {
      const notes = makeNotes();
      const routines = yield* Routines.make<string>({ name: "service" });
      const session = yield* routines.start(noting(notes, Effect.never), "alice");
      session.cancelUnsafe();
      const report = yield* session.cancel;
      yield* session.cancel;
      assert.deepStrictEqual(report.end, { _tag: "Cancelled", by: "handle" });
      assert.deepStrictEqual(notes, {
        admitted: ["alice"],
        released: [["state of alice", "Cancelled"]],
        disconnected: [],
      });
    }),
  );

  it.effect("releases once after: the set's scope closes, and the close waits for it", () =>
    Effect.gen(function* () {
      const notes = makeNotes();
      const scope = yield* Scope.make();
      const routines = yield* Scope.provide(Routines.make<string>({ name: "service" }), scope);
      const a = yield* routines.start(noting(notes, Effect.never), "alice");
      yield* routines.start(noting(notes, Effect.never), "bob");
      yield* Scope.close(scope, Exit.void);
      assert.deepStrictEqual(notes.released.map(([state]) => state).sort(), ["state of alice", "state of bob"]);
      assert.deepStrictEqual((yield* a.ended).end, { _tag: "Cancelled", by: "scope" });
      assert.deepStrictEqual(
        yield* Effect.flip(routines.start(noting(notes, Effect.never), "carol")),
        new RoutinesClosed("service"),
      );
    }),
  );

  it.effect("releases once when a cancel meets the clean-up of a reject", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(0);
      const notes = makeNotes();
      const routines = yield* Routines.make<string>({ name: "service" });
      const run = Effect.ensuring(Effect.fail(protocol), Effect.sleep("1 second"));
      const session = yield* routines.start(noting(notes, run), "alice");
      session.cancelUnsafe();
      yield* TestClock.adjust("1 second");
      assert.strictEqual((yield* session.ended).end._tag, "ProtocolReject");
      assert.deepStrictEqual(notes.released, [["state of alice", "ProtocolReject"]]);
    }),
  );

  it.effect("takes a thrown error, in any of its parts, for a defect", () =>
    Effect.gen(function* () {
      const routines = yield* Routines.make<string>({ name: "service" });
      const boom = (): never => {
        throw bug;
      };
      const released: Array<string> = [];
      const parts = { name: "throws", admit: () => Effect.succeed("s"), run: () => Effect.void };
      const release = (state: string) => Effect.sync(() => released.push(state));
      const inAdmit = yield* routines.start(
        Routine.make({ ...parts, admit: boom as () => Effect.Effect<string>, release }),
        "a",
      );
      assert.deepStrictEqual((yield* inAdmit.ended).end, { _tag: "Defect", cause: Cause.die(bug) });
      assert.deepStrictEqual(released, []);
      const inRun = yield* routines.start(Routine.make({ ...parts, run: boom, release }), "b");
      assert.deepStrictEqual((yield* inRun.ended).end, { _tag: "Defect", cause: Cause.die(bug) });
      assert.deepStrictEqual(released, ["s"]);
      const inRelease = yield* routines.start(Routine.make({ ...parts, release: boom }), "c");
      const report = yield* inRelease.ended;
      assert.deepStrictEqual([report.end._tag, report.releaseFailures], ["Done", [Cause.die(bug)]]);
    }),
  );
});

describe("Routine: admission", () => {
  it.effect("has nothing to release when it refuses, and the connection stays or ends by the same table", () =>
    Effect.gen(function* () {
      const notes = makeNotes();
      const routines = yield* Routines.make<string>({ name: "service" });
      const refusing = (error: RoutineError) =>
        Routine.make({ ...noting(notes, Effect.void), admit: () => Effect.fail(error) });
      const full = yield* routines.start(refusing(new LocalReject("full")), "alice");
      assert.strictEqual((yield* full.ended).end._tag, "LocalReject");
      const bad = yield* routines.start(refusing(new ProtocolReject("bad hello")), "bob");
      assert.strictEqual((yield* bad.ended).end._tag, "ProtocolReject");
      assert.deepStrictEqual(notes, { admitted: [], released: [], disconnected: ["bob: ProtocolReject"] });
    }),
  );

  it.effect("is not torn apart by a cancel: what it admitted is released", () =>
    Effect.gen(function* () {
      const notes = makeNotes();
      const gate = Signal.make();
      const routines = yield* Routines.make<string>({ name: "service" });
      const base = noting(notes, Effect.never);
      const slow = Routine.make({ ...base, admit: (session) => Effect.andThen(gate.wait, base.admit(session)) });
      const session = yield* routines.start(slow, "alice");
      session.cancelUnsafe();
      assert.deepStrictEqual(notes.admitted, []);
      yield* routines.start(noting(makeNotes(), Effect.never), "alice");
      gate.notify();
      assert.deepStrictEqual((yield* session.ended).end, { _tag: "Cancelled", by: "handle" });
      assert.deepStrictEqual(notes.released, [["state of alice", "Cancelled"]]);
    }),
  );
});

describe("Routine: release", () => {
  it.effect("comes after what the session acquired, and after the disconnection", () =>
    Effect.gen(function* () {
      const order: Array<string> = [];
      const routines = yield* Routines.make<string>({ name: "service" });
      const note = (what: string) => Effect.sync(() => order.push(what));
      const routine = Routine.make<string, void, Scope.Scope>({
        name: "r",
        admit: () => Effect.void,
        run: () =>
          Effect.andThen(
            Effect.addFinalizer(() => note("acquired in run")),
            Effect.fail(new ProtocolReject("x")),
          ),
        release: () => note("admitted state"),
        disconnect: () => note("connection"),
      });
      yield* (yield* routines.start(routine, "alice")).ended;
      assert.deepStrictEqual(order, ["connection", "acquired in run", "admitted state"]);
    }),
  );

  it.effect("is not waited for beyond its deadline, nor does a hanging disconnection keep it from starting", () =>
    Effect.gen(function* () {
      const released: Array<string> = [];
      const routines = yield* Routines.make<string>({ name: "service", releaseDeadline: "2 seconds" });
      const routine = Routine.make({
        name: "r",
        admit: () => Effect.succeed("state"),
        run: () => Effect.fail(new ProtocolReject("x")),
        release: (state: string) => Effect.sync(() => released.push(state)),
        disconnect: () => Effect.never,
      });
      const session = yield* routines.start(routine, "alice");
      yield* TestClock.adjust("1999 millis");
      assert.deepStrictEqual(released, []);
      yield* TestClock.adjust("1 millis");
      assert.deepStrictEqual(released, ["state"]);
      assert.strictEqual((yield* session.ended).overdueReleases, 1);
    }),
  );
});

describe("Routine: timers", () => {
  it.effect("are gone when the release was in time", () =>
    withSleepers((sleepers) =>
      Effect.gen(function* () {
        const routines = yield* Routines.make<string>({ name: "service" });
        const routine = Routine.make<string, void>({
          name: "r",
          admit: () => Effect.void,
          run: () => Effect.void,
          release: () => Effect.sleep("1 second"),
        });
        const session = yield* routines.start(routine, "alice");
        assert.strictEqual(sleepers(), 2);
        yield* TestClock.adjust("1 second");
        assert.strictEqual((yield* session.ended).overdueReleases, 0);
        assert.strictEqual(sleepers(), 0);
      }),
    ),
  );
});

describe("Routines", () => {
  it.effect("keep a defect of one peer from every other", () =>
    Effect.gen(function* () {
      const notes = makeNotes();
      const routines = yield* Routines.make<string>({ name: "service" });
      const frames = yield* Link.make<string>("frames");
      const seen: Array<string> = [];
      const reading = Effect.forever(Effect.map(frames.reader.take, (frame) => seen.push(frame)));
      const good = yield* routines.start(noting(notes, reading), "good");
      for (let n = 0; n < 10; n++) {
        const bad = yield* routines.start(noting(notes, Effect.die(`bug ${n}`)), `bad ${n}`);
        assert.strictEqual((yield* bad.ended).end._tag, "Defect");
        yield* frames.writer.offer(`frame ${n}`);
      }
      yield* TestClock.adjust(0);
      assert.strictEqual(seen.length, 10);
      assert.strictEqual(routines.current("good"), good);
      yield* frames.writer.end;
      assert.strictEqual((yield* good.ended).end._tag, "StreamClosed");
    }),
  );

  it.effect("let a newer session supersede an older one, whose late teardown does not touch it", () =>
    Effect.gen(function* () {
      const registry = new GenerationMap<string, string>();
      const gate = Signal.make();
      const routines = yield* Routines.make<string>({ name: "service" });
      const routine = (height: string, teardown: Effect.Effect<void>) =>
        Routine.make<string, void>({
          name: "sync",
          admit: ({ peer, generation }) => Effect.sync(() => void registry.set(peer, generation, height)),
          run: () => Effect.never,
          release: (_, __, { peer, generation }) =>
            Effect.andThen(
              teardown,
              Effect.sync(() => registry.delete(peer, generation)),
            ),
        });
      const older = yield* routines.start(routine("old", gate.wait), "alice");
      const newer = yield* routines.start(routine("new", Effect.void), "alice");
      assert.isAbove(newer.generation, older.generation);
      assert.strictEqual(routines.size, 2);
      assert.strictEqual(routines.current("alice"), newer);
      gate.notify();
      assert.deepStrictEqual((yield* older.ended).end, { _tag: "Cancelled", by: "newer session" });
      assert.deepStrictEqual(registry.get("alice"), { generation: newer.generation, value: "new" });
      assert.strictEqual(routines.current("alice"), newer);
      yield* newer.cancel;
      assert.isUndefined(registry.get("alice"));
      assert.isUndefined(routines.current("alice"));
    }),
  );

  it.effect("may refuse a second session of a peer, but not one after the first has ended", () =>
    Effect.gen(function* () {
      const notes = makeNotes();
      const routines = yield* Routines.make<string>({ name: "service", onDuplicate: "refuse" });
      const first = yield* routines.start(noting(notes, Effect.never), "alice");
      const refused = yield* Effect.flip(routines.start(noting(notes, Effect.never), "alice"));
      assert.deepStrictEqual(refused, new DuplicateSession("service", "alice", first.generation));
      yield* first.cancel;
      yield* routines.start(noting(notes, Effect.never), "alice");
      assert.deepStrictEqual(notes.admitted, ["alice", "alice"]);
    }),
  );

  it.effect("tell peers apart by their key", () =>
    Effect.gen(function* () {
      const routines = yield* Routines.make<{ readonly id: number }>({
        name: "service",
        keyOf: ({ id }) => `peer ${id}`,
      });
      const idle = Routine.make<{ readonly id: number }, void>({
        name: "idle",
        admit: () => Effect.void,
        run: () => Effect.never,
        release: () => Effect.void,
      });
      const session = yield* routines.start(idle, { id: 1 });
      assert.strictEqual(routines.current({ id: 1 }), session);
      assert.isUndefined(routines.current({ id: 2 }));
    }),
  );

  it.effect("are in the topology while they live, with their sessions", () =>
    Effect.gen(function* () {
      const notes = makeNotes();
      const scope = yield* Scope.make();
      const routines = yield* Scope.provide(Routines.make<string>({ name: "service" }), scope);
      const session = yield* routines.start(noting(notes, Effect.never), "alice");
      const [set] = (yield* Topology.snapshot).routines;
      assert.deepStrictEqual(set?.sessions, [{ peer: "alice", generation: session.generation, state: "running" }]);
      yield* session.cancel;
      assert.deepStrictEqual((yield* Topology.snapshot).routines[0]?.sessions, []);
      yield* Scope.close(scope, Exit.void);
      assert.deepStrictEqual((yield* Topology.snapshot).routines, []);
    }).pipe(Effect.provideService(Topology.Registry, Topology.makeUnsafe())),
  );

  it.effect("let a session cancel itself before it first waits", () =>
    Effect.gen(function* () {
      const notes = makeNotes();
      const routines = yield* Routines.make<string>({ name: "service" });
      const run = Effect.andThen(
        Effect.sync(() => routines.current("alice")?.cancelUnsafe()),
        Effect.never,
      );
      const session = yield* routines.start(noting(notes, run), "alice");
      assert.deepStrictEqual((yield* session.ended).end, { _tag: "Cancelled", by: "handle" });
      assert.strictEqual(notes.released.length, 1);
    }),
  );
});

describe("GenerationMap", () => {
  it("lets the newer generation win, in whatever order they come", () => {
    const map = new GenerationMap<string, string>();
    const [older, newer] = [nextGeneration(), nextGeneration()];
    assert.isTrue(map.set("k", newer, "new"));
    assert.isFalse(map.set("k", older, "old"));
    assert.isFalse(map.delete("k", older));
    assert.deepStrictEqual(map.get("k"), { generation: newer, value: "new" });
    assert.isTrue(map.set("k", newer, "newest"));
    assert.deepStrictEqual([...map.entries()], [["k", { generation: newer, value: "newest" }]]);
    assert.isTrue(map.delete("k", newer));
    assert.strictEqual(map.size, 0);
    assert.isFalse(map.delete("k", newer));
  });
});
