import { Effect, Queue } from "effect";
import { Link, Reactor, ReactorGroup, Signal } from "../src/index.ts";

const N = 500_000;
const time = async (name: string, n: number, eff: Effect.Effect<unknown, unknown>) => {
  await Effect.runPromise(eff);
  const c0 = process.cpuUsage();
  const t0 = process.hrtime.bigint();
  await Effect.runPromise(eff);
  const c = process.cpuUsage(c0);
  const t = Number(process.hrtime.bigint() - t0);
  console.log(name, (t / n / 1000).toFixed(3), "us wall", ((c.user + c.system) / n).toFixed(3), "us cpu");
};
const queueHop = Effect.gen(function* () {
  const q = yield* Queue.bounded<number>(1);
  const w = Effect.gen(function* () {
    for (let i = 0; i < N; i++) yield* Queue.offer(q, i);
  });
  const r = Effect.gen(function* () {
    for (let i = 0; i < N; i++) yield* Queue.take(q);
  });
  yield* Effect.all([w, r], { concurrency: 2 });
});
const linkHop = Effect.scoped(
  Effect.gen(function* () {
    const l = yield* Link.make<number>("l");
    const w = Effect.gen(function* () {
      for (let i = 0; i < N; i++) yield* l.writer.offer(i);
    });
    const r = Effect.gen(function* () {
      for (let i = 0; i < N; i++) yield* l.reader.take;
    });
    yield* Effect.all([w, r], { concurrency: 2 });
  }),
);
const chain = (hops: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const n = N / hops;
      const ls = [] as Array<Link<number>>;
      for (let i = 0; i <= hops; i++) ls.push(yield* Link.make<number>("l"));
      const fs = ls.slice(0, -1).map((a, i) =>
        Effect.gen(function* () {
          for (let k = 0; k < n; k++) yield* ls[i + 1]!.writer.offer(yield* a.reader.take);
        }),
      );
      const w = Effect.gen(function* () {
        for (let i = 0; i < n; i++) yield* ls[0]!.writer.offer(i);
      });
      const r = Effect.gen(function* () {
        for (let i = 0; i < n; i++) yield* ls[hops]!.reader.take;
      });
      yield* Effect.all([w, ...fs, r], { concurrency: "unbounded" });
    }),
  );
const pingLink = Effect.scoped(
  Effect.gen(function* () {
    const a = yield* Link.make<number>("a");
    const b = yield* Link.make<number>("b");
    const w = Effect.gen(function* () {
      for (let i = 0; i < N; i++) {
        yield* a.writer.offer(i);
        yield* b.reader.take;
      }
    });
    const r = Effect.gen(function* () {
      for (let i = 0; i < N; i++) {
        yield* a.reader.take;
        yield* b.writer.offer(i);
      }
    });
    yield* Effect.all([w, r], { concurrency: 2 });
  }),
);
const pingQueue = Effect.gen(function* () {
  const a = yield* Queue.bounded<number>(1);
  const b = yield* Queue.bounded<number>(1);
  const w = Effect.gen(function* () {
    for (let i = 0; i < N; i++) {
      yield* Queue.offer(a, i);
      yield* Queue.take(b);
    }
  });
  const r = Effect.gen(function* () {
    for (let i = 0; i < N; i++) {
      yield* Queue.take(a);
      yield* Queue.offer(b, i);
    }
  });
  yield* Effect.all([w, r], { concurrency: 2 });
});
await time("queue hop", N, queueHop);
await time("link hop", N, linkHop);
await time("chain 4 (per hop)", N, chain(4));
await time("ping queue (per hop)", 2 * N, pingQueue);
await time("ping link (per hop)", 2 * N, pingLink);
const sig = Signal.make();
await time(
  "signal",
  N,
  Effect.gen(function* () {
    const w = Effect.gen(function* () {
      for (let i = 0; i < N; i++) {
        yield* sig.wait;
      }
    });
    const n = Effect.gen(function* () {
      for (let i = 0; i < N; i++) {
        sig.notify();
        yield* Effect.void;
        if (i % 1000 === 0) yield* Effect.yieldNow;
      }
    });
    const f = yield* Effect.forkChild(w, { startImmediately: true });
    yield* n;
    f.interruptUnsafe();
  }),
);
const rd = Reactor.make({
  name: "ingress",
  reads: { a: Reactor.port<number>() },
  writes: {},
  run: ({ a }) =>
    Effect.gen(function* () {
      while (true) yield* a.take;
    }),
});
const never = Reactor.make({
  name: "egress",
  reads: { a: Reactor.port<number>() },
  writes: {},
  run: ({ a }) =>
    Effect.gen(function* () {
      while (true) yield* a.take;
    }),
});
const one = Effect.fnUntraced(function* () {
  const g = yield* ReactorGroup.make({ name: "circuit" });
  const l = g.link<number>("x");
  const l2 = g.link<number>("y");
  yield* g.start(rd.wire({ a: l.reader }));
  yield* g.start(never.wire({ a: l2.reader }));
  return g;
});
const G = 10000;
await time(
  "group create+teardown",
  G,
  Effect.scoped(
    Effect.gen(function* () {
      for (let i = 0; i < G; i++) {
        const g = yield* one();
        g.stopUnsafe("x");
      }
    }),
  ),
);
await Effect.runPromise(
  Effect.scoped(
    Effect.gen(function* () {
      const keep = [];
      globalThis.gc!();
      const h0 = process.memoryUsage().heapUsed;
      for (let i = 0; i < G; i++) keep.push(yield* one());
      globalThis.gc!();
      const h1 = process.memoryUsage().heapUsed;
      console.log("heap per idle group", ((h1 - h0) / G).toFixed(0));
      const t0 = process.hrtime.bigint();
      for (const g of keep) g.stopUnsafe("x");
      console.log("teardown us", Number(process.hrtime.bigint() - t0) / G / 1000);
    }),
  ),
);
