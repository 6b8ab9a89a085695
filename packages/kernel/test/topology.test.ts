import { assert, describe, it } from "@effect/vitest";
import { Effect, Scope } from "effect";
import { TestClock } from "effect/testing";
import { Link, Reactor, ReactorGroup, Routine, Routines, Supervisor, TaskPolicy, Topology } from "../src/index.ts";

const copy = (name: string) =>
  Reactor.make({
    name,
    reads: { from: Reactor.port<number>() },
    writes: { to: Reactor.port<number>() },
    run: ({ from, to }) => Effect.forever(Effect.flatMap(from.take, to.offer)),
  });

/** Two reactors, a link between them, one into the first and one out of the second. */
const pipeline = Effect.gen(function* () {
  const group = yield* ReactorGroup.make({ name: 'pipe "1"' });
  const into = yield* Link.make<number>("into");
  const between = group.link<number>("between");
  const out = yield* Link.make<number>("out");
  yield* group.start(copy("first").wire({ from: into.reader, to: between.writer }));
  yield* group.start(copy("second").wire({ from: between.reader, to: out.writer }));
  return { group, into, out };
});

const ownRegistry = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => Effect.provideService(effect, Topology.Registry, Topology.makeUnsafe()));

describe("Topology", () => {
  it.effect("shows who is linked to whom, what has passed, and who waits", () =>
    Effect.gen(function* () {
      const { into, out } = yield* pipeline;
      yield* into.writer.offer(1);
      yield* TestClock.adjust("2 millis");
      yield* out.reader.take;
      yield* TestClock.adjust("3 millis");
      const snapshot = yield* Topology.snapshot;
      assert.deepStrictEqual(snapshot.groups, [
        {
          id: 1,
          name: 'pipe "1"',
          state: "running",
          reactors: [
            { name: "first", reads: [{ port: "from", link: 1 }], writes: [{ port: "to", link: 2 }] },
            { name: "second", reads: [{ port: "from", link: 2 }], writes: [{ port: "to", link: 3 }] },
          ],
          links: [2],
        },
      ]);
      const counters = {
        items: 1,
        writerBlocks: 0,
        writerBlockedNanos: 0,
        readerBlocks: 2,
        readerBlockedNanos: 5_000_000,
      };
      assert.deepStrictEqual(snapshot.links, [
        { id: 1, name: "into", ...counters },
        { id: 2, name: "between", ...counters },
        { id: 3, name: "out", ...counters, readerBlocks: 0, readerBlockedNanos: 0 },
      ]);
      assert.deepStrictEqual(structuredClone(snapshot), snapshot);
    }).pipe(ownRegistry),
  );

  it.effect("keeps the ids of links from one snapshot to the next", () =>
    Effect.gen(function* () {
      const { into } = yield* pipeline;
      const before = yield* Topology.snapshot;
      yield* into.writer.offer(1);
      const after = yield* Topology.snapshot;
      assert.deepStrictEqual(
        after.links.map(({ id, name }) => [id, name]),
        before.links.map(({ id, name }) => [id, name]),
      );
    }).pipe(ownRegistry),
  );

  it.effect("shows a group that is ending, without the reactors that have ended", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(0);
      const group = yield* ReactorGroup.make({ name: "g" });
      const reactor = (name: string, run: Effect.Effect<unknown>) =>
        Reactor.make({ name, reads: {}, writes: {}, run: () => run }).wire({});
      yield* group.start(reactor("quick", Effect.never));
      yield* group.start(
        reactor(
          "slow",
          Effect.onInterrupt(Effect.never, () => Effect.sleep("1 second")),
        ),
      );
      group.stopUnsafe("now");
      const [ending] = (yield* Topology.snapshot).groups;
      assert.deepStrictEqual(ending, {
        id: 1,
        name: "g",
        state: "ending",
        reactors: [{ name: "slow", reads: [], writes: [] }],
        links: [],
      });
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual((yield* Topology.snapshot).groups, []);
    }).pipe(ownRegistry),
  );

  it.effect("is drawn as a Mermaid flowchart, in which no name can break out of its quotes", () =>
    Effect.gen(function* () {
      const { group, into, out } = yield* pipeline;
      group.link<number>("held by nobody");
      const supervisor = yield* Supervisor.make({ name: "node" });
      yield* supervisor.start({ name: "heartbeat", run: Effect.never }, TaskPolicy.fatal);
      const routines = yield* Routines.make<string>({ name: "peers" });
      const idle = Routine.make<string, void>({
        name: "idle",
        admit: () => Effect.void,
        run: () => Effect.never,
        release: () => Effect.void,
      });
      const { generation } = yield* routines.start(idle, 'x"]\n<b>#');
      yield* TestClock.adjust("1500 millis");
      yield* into.writer.offer(1);
      yield* out.reader.take;
      yield* TestClock.adjust("20 micros");
      const text = Topology.toMermaid(yield* Topology.snapshot);
      assert.deepStrictEqual(text.split("\n"), [
        "flowchart LR",
        '  subgraph g1["pipe #quot;1#quot;"]',
        '    g1r0["first"]',
        '    g1r1["second"]',
        "  end",
        '  subgraph s2["node"]',
        '    s2t0["heartbeat<br/>running"]',
        "  end",
        '  subgraph p3["peers"]',
        `    p3s0["x#quot;] #lt;b>#35; #35;${generation}<br/>running"]`,
        "  end",
        "  outside((outside))",
        '  outside -- "into<br/>1 items, writer waited 0.0 µs, reader 1.5 s" --> g1r0',
        '  g1r0 -- "between<br/>1 items, writer waited 0.0 µs, reader 1.5 s" --> g1r1',
        '  g1r1 -- "out<br/>1 items, writer waited 0.0 µs, reader 0.0 µs" --> outside',
        "",
      ]);
    }).pipe(ownRegistry),
  );

  it.effect("is one for the process by default", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      const before = (yield* Topology.snapshot).groups.length;
      const group = yield* Scope.provide(ReactorGroup.make({ name: "shared" }), scope);
      assert.strictEqual((yield* Topology.snapshot).groups.length, before + 1);
      yield* group.stop("done");
      assert.strictEqual((yield* Topology.snapshot).groups.length, before);
    }),
  );

  it.effect("can be one's own by a layer, or none", () =>
    Effect.gen(function* () {
      const names = Effect.map(Effect.andThen(ReactorGroup.make({ name: "g" }), Topology.snapshot), (s) =>
        s.groups.map((g) => g.name),
      );
      assert.deepStrictEqual(yield* Effect.provide(names, Topology.layer), ["g"]);
      assert.deepStrictEqual(yield* Effect.provide(names, Topology.layerOff), []);
    }),
  );
});
