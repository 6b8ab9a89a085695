/**
 * What the kernel costs: a hop over a link beside one over a plain `Queue` of capacity one, a wake by a signal, and a group of
 * two reactors (heap while it is idle, CPU to make it and tear it down). Run it alone: `node bench/kernel.bench.ts`.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Effect, Exit, Queue } from "effect";
import { type GroupHost, Link, Mailbox, Reactor, ReactorGroup, Signal, Topology } from "../src/index.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const ITEMS = 200_000;
const GROUPS = 10_000;
const ROUNDS = 5;

const both = (writer: Effect.Effect<unknown, unknown>, reader: Effect.Effect<unknown, unknown>) =>
  Effect.all([writer, reader], { concurrency: 2 });

/** One side writes without a pause, the other reads without one. */
const queueHop = Effect.gen(function* () {
  const queue = yield* Queue.bounded<number>(1);
  yield* both(
    Effect.gen(function* () {
      for (let n = 0; n < ITEMS; n++) yield* Queue.offer(queue, n);
    }),
    Effect.gen(function* () {
      for (let n = 0; n < ITEMS; n++) yield* Queue.take(queue);
    }),
  );
});

const linkHop = Effect.scoped(
  Effect.gen(function* () {
    const { writer, reader } = yield* Link.make<number>("hop");
    yield* both(
      Effect.gen(function* () {
        for (let n = 0; n < ITEMS; n++) yield* writer.offer(n);
      }),
      Effect.gen(function* () {
        for (let n = 0; n < ITEMS; n++) yield* reader.take;
      }),
    );
  }),
);

/** The same, asking without suspending first, as hot paths do. */
const linkHopUnsafe = Effect.scoped(
  Effect.gen(function* () {
    const { writer, reader } = yield* Link.make<number>("hop");
    yield* both(
      Effect.gen(function* () {
        for (let n = 0; n < ITEMS; n++) if (!writer.offerUnsafe(n)) yield* writer.offer(n);
      }),
      Effect.gen(function* () {
        for (let n = 0; n < ITEMS; n++) yield* reader.takeUnsafe() ?? reader.take;
      }),
    );
  }),
);

/** Each side waits for the other's answer: every hop wakes a fiber. */
const queuePingPong = Effect.gen(function* () {
  const [ping, pong] = [yield* Queue.bounded<number>(1), yield* Queue.bounded<number>(1)];
  yield* both(
    Effect.gen(function* () {
      for (let n = 0; n < ITEMS / 2; n++) {
        yield* Queue.offer(ping, n);
        yield* Queue.take(pong);
      }
    }),
    Effect.gen(function* () {
      for (let n = 0; n < ITEMS / 2; n++) yield* Queue.offer(pong, yield* Queue.take(ping));
    }),
  );
});

const linkPingPong = Effect.scoped(
  Effect.gen(function* () {
    const [ping, pong] = [yield* Link.make<number>("ping"), yield* Link.make<number>("pong")];
    yield* both(
      Effect.gen(function* () {
        for (let n = 0; n < ITEMS / 2; n++) {
          yield* ping.writer.offer(n);
          yield* pong.reader.take;
        }
      }),
      Effect.gen(function* () {
        for (let n = 0; n < ITEMS / 2; n++) yield* pong.writer.offer(yield* ping.reader.take);
      }),
    );
  }),
);

const signalPingPong = Effect.gen(function* () {
  const [ping, pong] = [Signal.make(), Signal.make()];
  yield* both(
    Effect.gen(function* () {
      for (let n = 0; n < ITEMS / 2; n++) {
        ping.notify();
        yield* pong.wait;
      }
    }),
    Effect.gen(function* () {
      for (let n = 0; n < ITEMS / 2; n++) {
        yield* ping.wait;
        pong.notify();
      }
    }),
  );
});

const mailboxHop = Effect.scoped(
  Effect.gen(function* () {
    const mailbox = yield* Mailbox.make<{ _tag: "Tick"; n: number }>()({
      name: "ticks",
      capacity: 64,
      policies: { Tick: Mailbox.neverDrop },
    });
    yield* both(
      Effect.gen(function* () {
        for (let n = 0; n < ITEMS; n++) {
          while (mailbox.sendUnsafe({ _tag: "Tick", n }) === "undeliverable") yield* Effect.yieldNow;
        }
      }),
      Effect.gen(function* () {
        for (let n = 0; n < ITEMS; n++) yield* mailbox.reader.take;
      }),
    );
  }),
);

const reader = (name: string) =>
  Reactor.make({
    name,
    reads: { items: Reactor.port<number>() },
    writes: {},
    run: ({ items }) =>
      Effect.gen(function* () {
        while (true) yield* items.take;
      }),
  });
const forwarder = Reactor.make({
  name: "forward",
  reads: { wake: Reactor.port<number>() },
  writes: { out: Reactor.port<number>() },
  run: ({ wake, out }) =>
    Effect.gen(function* () {
      while (true) yield* out.offer(yield* wake.take);
    }),
});
const sink = reader("sink");

/** An idle group: two reactors that wait, a link between them, a link into the first. */
const makeGroup = Effect.gen(function* () {
  const group = yield* ReactorGroup.make({ name: "idle" });
  const [into, between] = [group.link<number>("into"), group.link<number>("between")];
  yield* group.start(forwarder.wire({ wake: into.reader, out: between.writer }));
  yield* group.start(sink.wire({ items: between.reader }));
  return group;
});

const makeAndTearDown = Effect.scoped(
  Effect.gen(function* () {
    for (let n = 0; n < GROUPS; n++) yield* (yield* makeGroup).stop("done");
  }),
);

const turning = Reactor.turns({
  name: "forward",
  reads: { wake: Reactor.port<number>() },
  writes: { out: Reactor.port<number>() },
  signal: (signal: Signal) => signal,
  turn:
    (signal, { wake, out }) =>
    () => {
      while (!out.waitsForRoom(signal)) {
        const taken = wake.takeUnsafe();
        if (taken === undefined) break;
        if (Exit.isFailure(taken)) return Effect.failCause(taken.cause);
        out.offerUnsafe(taken.value);
      }
      return undefined;
    },
});
const turningSink = Reactor.turns({
  name: "sink",
  reads: { items: Reactor.port<number>() },
  writes: {},
  signal: (signal: Signal) => signal,
  turn:
    (_, { items }) =>
    () => {
      while (items.takeUnsafe() !== undefined);
      return undefined;
    },
});

/** The same in turns, on a host. */
const makeTurning = (host: GroupHost) => {
  const group = host.make({ name: "idle" });
  const [into, between] = [group.link<number>("into"), group.link<number>("between")];
  group.startTurns(turning(Signal.make()).wire({ wake: into.reader, out: between.writer }));
  group.startTurns(turningSink(Signal.make()).wire({ items: between.reader }));
  return { group, into };
};

const makeAndTearDownTurning = Effect.scoped(
  Effect.map(ReactorGroup.host, (host) => {
    for (let n = 0; n < GROUPS; n++) makeTurning(host).group.stopUnsafe("done");
  }),
);

/** An item to each of a hundred groups, again and again: two turns each. */
const turns = Effect.scoped(
  Effect.gen(function* () {
    const host = yield* ReactorGroup.host;
    const inlets = Array.from({ length: 100 }, () => makeTurning(host).into.writer);
    for (let n = 0; n < ITEMS / 200; n++) {
      for (const inlet of inlets) inlet.offerUnsafe(n);
      yield* Effect.yieldNow;
      yield* Effect.yieldNow;
    }
  }),
);

const idleTurning = Effect.scoped(
  Effect.map(ReactorGroup.host, (host) => {
    const groups: Array<unknown> = new Array(GROUPS);
    makeTurning(host);
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let n = 0; n < GROUPS; n++) groups[n] = makeTurning(host);
    collectGarbage();
    const bytes = (process.memoryUsage().heapUsed - before) / GROUPS;
    console.log(`${"the same in turns, on a host".padEnd(52)} ${bytes.toFixed(0).padStart(7)} bytes`);
  }),
);

const idleGroups = Effect.scoped(
  Effect.gen(function* () {
    const groups = new Array<ReactorGroup<never, string>>(GROUPS);
    yield* makeGroup;
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let n = 0; n < GROUPS; n++) groups[n] = yield* makeGroup;
    collectGarbage();
    const bytes = (process.memoryUsage().heapUsed - before) / GROUPS;
    const started = process.hrtime.bigint();
    const snapshot = yield* Topology.snapshot;
    const millis = Number(process.hrtime.bigint() - started) / 1e6;
    console.log(`${"heap per idle group of two reactors, two links".padEnd(52)} ${bytes.toFixed(0).padStart(7)} bytes`);
    console.log(
      `${`topology snapshot of ${snapshot.groups.length} groups`.padEnd(52)} ${millis.toFixed(0).padStart(7)} ms`,
    );
  }),
);

const measure = async (name: string, per: string, count: number, effect: Effect.Effect<unknown, unknown>) => {
  const cpu: Array<number> = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    await Effect.runPromise(effect);
    const { user, system } = process.cpuUsage(before);
    cpu.push((user + system) / count);
  }
  cpu.sort((one, other) => one - other);
  console.log(`${name.padEnd(52)} ${cpu[ROUNDS >> 1]!.toFixed(2).padStart(7)} µs CPU per ${per}`);
};

await measure("stream over a plain queue of capacity one", "hop", ITEMS, queueHop);
await measure("stream over a link", "hop", ITEMS, linkHop);
await measure("stream over a link, asking first", "hop", ITEMS, linkHopUnsafe);
await measure("ping-pong over plain queues", "hop", ITEMS, queuePingPong);
await measure("ping-pong over links", "hop", ITEMS, linkPingPong);
await measure("ping-pong by signals", "wake", ITEMS, signalPingPong);
await measure("stream through a mailbox", "command", ITEMS, mailboxHop);
await measure("turn of a reactor", "turn", ITEMS, turns);
await measure("group made, run and torn down", "group", GROUPS, makeAndTearDown);
await measure("the same in turns, on a host", "group", GROUPS, makeAndTearDownTurning);
await Effect.runPromise(idleGroups);
await Effect.runPromise(idleTurning);
