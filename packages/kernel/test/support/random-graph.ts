import { Clock, Effect, Exit, Scope } from "effect";
import { TestClock } from "effect/testing";
import { Random } from "../../../../test/support/fuzz.ts";
import {
  type GroupEnd,
  type Link,
  type LinkReader,
  type LinkWriter,
  Reactor,
  ReactorGroup,
  Signal,
  Topology,
  type TopologySnapshot,
  type WiredReactor,
} from "../../src/index.ts";

// A random graph: sources emit numbered items, the reactors between pass each item on to one of their links, sinks collect.
// All edges lead from a lower to a higher reactor, a link has one reader and one or more writers. When all writers of a link
// have finished, the last ends it; a reactor whose links have all ended finishes, and waits for the others; the last sink to
// finish ends the group. A disaster of some kind may strike anywhere before.

/** What may go wrong in a reactor, at some step of it. */
export type Disaster = "fail" | "die" | "interrupt" | "return" | "stop the group" | "hang";

/** How a resource of a reactor is released. */
type ReleaseKind = "at once" | "slowly" | "dies" | "hangs";

interface ReactorPlan {
  readonly name: string;
  readonly inputs: ReadonlyArray<number>;
  readonly outputs: ReadonlyArray<number>;
  /** How many items a source emits. */
  readonly emits: number;
  readonly releases: ReadonlyArray<ReleaseKind>;
  readonly disaster: { readonly step: number; readonly kind: Disaster } | undefined;
  /** Whether it is started by the one before it, from inside, and not by the setup. */
  readonly startedInside: boolean;
}

export interface GraphPlan {
  readonly seed: number;
  readonly reactors: ReadonlyArray<ReactorPlan>;
  readonly links: number;
  readonly outside: { readonly afterMillis: number; readonly kind: "stop" | "close the scope" } | undefined;
}

const DISASTERS: ReadonlyArray<Disaster> = ["fail", "die", "interrupt", "return", "stop the group", "hang"];

/** The plan for a seed. With `calm` nothing goes wrong in it. */
export const planGraph = (seed: number, calm: boolean): GraphPlan => {
  const random = new Random(seed);
  const count = 2 + random.below(6);
  const inputs: Array<Array<number>> = Array.from({ length: count }, () => []);
  const outputs: Array<Array<number>> = Array.from({ length: count }, () => []);
  let links = 0;
  for (let reader = 1; reader < count; reader++) {
    // A reactor without inputs is a source; the last is always a sink.
    const edges = reader === count - 1 ? 1 + random.below(2) : random.below(3);
    for (let edge = 0; edge < edges; edge++) {
      const link = links++;
      inputs[reader]?.push(link);
      const writers = new Set(Array.from({ length: 1 + random.below(2) }, () => random.below(reader)));
      for (const writer of writers) outputs[writer]?.push(link);
    }
  }
  const kinds: ReadonlyArray<ReleaseKind> = calm ? ["at once", "slowly"] : ["at once", "slowly", "dies", "hangs"];
  return {
    seed,
    links,
    reactors: inputs.map((ins, at) => ({
      name: `r${at}`,
      inputs: ins,
      outputs: outputs[at] ?? [],
      emits: random.below(20),
      releases: Array.from({ length: random.below(3) }, () => random.pick(kinds)),
      disaster: calm || !random.oneIn(3) ? undefined : { step: random.below(15), kind: random.pick(DISASTERS) },
      startedInside: at > 0 && random.oneIn(4),
    })),
    outside:
      calm || !random.oneIn(4)
        ? undefined
        : { afterMillis: random.below(30), kind: random.oneIn(2) ? "stop" : "close the scope" },
  };
};

/** What was seen of one link. */
export interface LinkRecord {
  readonly offered: Array<number>;
  readonly accepted: Array<number>;
  readonly taken: Array<number>;
}

/** What was seen of a run. */
export interface GraphRun {
  readonly end: GroupEnd<string, string>;
  /** The ends that were caused on purpose, the first first. */
  readonly causes: ReadonlyArray<string>;
  readonly links: ReadonlyArray<LinkRecord>;
  readonly emitted: ReadonlyArray<number>;
  readonly collected: ReadonlyArray<number>;
  readonly started: ReadonlyArray<string>;
  readonly ended: ReadonlyArray<string>;
  /** How often each acquired resource was released. */
  readonly releases: ReadonlyArray<number>;
  /** Milliseconds from the first cause to the end of the teardown. */
  readonly teardownMillis: number;
  /** After everything: the topology, the links' ends, and what the scope of the group's maker holds. */
  readonly after: {
    readonly topology: TopologySnapshot;
    readonly openLinks: number;
    readonly startRefused: boolean;
    readonly scopeState: string;
  };
}

/** The deadline of every run, in milliseconds. */
export const DEADLINE_MILLIS = 3_000;

/** How far the clock moves at a time. */
export const TICK_MILLIS = 10;

export const runGraph = (plan: GraphPlan): Effect.Effect<GraphRun> =>
  Effect.gen(function* () {
    const random = new Random(plan.seed ^ 0x5eed);
    const scope = yield* Scope.make();
    const registry = yield* Topology.Registry;
    const group = yield* Scope.provide(
      ReactorGroup.make<string>({ name: "random", teardownDeadline: DEADLINE_MILLIS }),
      scope,
    );
    const links = Array.from({ length: plan.links }, (_, at) => group.link<number>(`l${at}`));
    const records = links.map((): LinkRecord => ({ offered: [], accepted: [], taken: [] }));
    const openWriters = links.map((_, at) => plan.reactors.filter((r) => r.outputs.includes(at)).length);
    const [causes, started, ended]: [Array<string>, Array<string>, Array<string>] = [[], [], []];
    const [emitted, collected, releases]: [Array<number>, Array<number>, Array<number>] = [[], [], []];
    let sinksLeft = plan.reactors.filter((r) => r.outputs.length === 0).length;
    let causedAt = -1;
    const clock = yield* Clock.Clock;
    const noteCause = (what: string) => {
      if (causedAt < 0) causedAt = clock.currentTimeMillisUnsafe();
      causes.push(what);
    };

    const acquire = (kind: ReleaseKind) =>
      Effect.suspend(() => {
        const at = releases.push(0) - 1;
        const after = {
          "at once": Effect.void,
          slowly: Effect.sleep("100 millis"),
          dies: Effect.die("release"),
          hangs: Effect.never,
        }[kind];
        return Effect.acquireRelease(Effect.void, () =>
          Effect.andThen(
            Effect.sync(() => {
              releases[at] = (releases[at] ?? 0) + 1;
            }),
            after,
          ),
        );
      });

    const strike = (name: string, kind: Disaster): Effect.Effect<unknown, string> =>
      Effect.suspend((): Effect.Effect<unknown, string> => {
        if (kind === "hang") return Effect.uninterruptible(Effect.never);
        noteCause(kind === "stop the group" ? "Stopped" : name);
        if (kind === "fail") return Effect.fail("disaster");
        if (kind === "die") return Effect.die("disaster");
        if (kind === "interrupt") return Effect.interrupt;
        if (kind === "return") return Effect.void;
        group.stopUnsafe("disaster");
        return Effect.never;
      });

    const pause = Effect.suspend(() =>
      random.oneIn(8)
        ? Effect.sleep(`${1 + random.below(20)} millis`)
        : random.oneIn(4)
          ? Effect.yieldNow
          : Effect.void,
    );

    /** The whole life of a planned reactor, over links by their numbers. */
    const life = (
      r: ReactorPlan,
      at: number,
      reader: (link: number) => LinkReader<number>,
      writer: (link: number) => LinkWriter<number>,
    ) =>
      Effect.gen(function* () {
        let step = 0;
        /** Counts a step; answers true when the reactor has to return. */
        const strikes = Effect.suspend(() =>
          r.disaster !== undefined && r.disaster.step === step++
            ? Effect.as(strike(r.name, r.disaster.kind), true)
            : Effect.succeed(false),
        );
        const emit = (item: number) =>
          Effect.gen(function* () {
            if (r.outputs.length === 0) {
              collected.push(item);
              return;
            }
            const link = random.pick(r.outputs);
            records[link]?.offered.push(item);
            yield* writer(link).offer(item);
            records[link]?.accepted.push(item);
          });
        for (const kind of r.releases) yield* acquire(kind);
        if (r.inputs.length === 0) {
          for (let n = 0; n < r.emits; n++) {
            if (yield* strikes) return;
            yield* pause;
            emitted.push(at * 1000 + n);
            yield* emit(at * 1000 + n);
          }
        }
        const signal = Signal.make();
        const open = new Set(r.inputs);
        for (const link of open) yield* reader(link).wakes(signal);
        while (open.size > 0) {
          let idle = true;
          for (const link of open) {
            const next = reader(link).takeUnsafe();
            if (next === undefined) continue;
            idle = false;
            if (Exit.isFailure(next)) {
              open.delete(link);
              continue;
            }
            records[link]?.taken.push(next.value);
            if (yield* strikes) return;
            yield* emit(next.value);
            yield* pause;
          }
          if (idle) yield* signal.wait;
        }
        for (const link of r.outputs) {
          openWriters[link] = (openWriters[link] ?? 0) - 1;
          if (openWriters[link] === 0) yield* writer(link).end;
        }
        if (r.outputs.length === 0 && --sinksLeft === 0) {
          noteCause(r.name);
          return;
        }
        yield* Effect.never;
      });

    const wired: Array<WiredReactor<string, never>> = plan.reactors.map((r, at) => {
      const ports = (prefix: string, ids: ReadonlyArray<number>) =>
        Object.fromEntries(ids.map((id) => [`${prefix}${id}`, Reactor.port<number>()]));
      const reactor = Reactor.make({
        name: r.name,
        reads: ports("in", r.inputs),
        writes: ports("out", r.outputs),
        run: (ends) => {
          const all = ends as Record<string, unknown>;
          return Effect.andThen(
            Effect.sync(() => started.push(r.name)),
            Effect.ensuring(
              Effect.andThen(
                plan.reactors[at + 1]?.startedInside ? startNext(at + 1) : Effect.void,
                life(
                  r,
                  at,
                  (link) => all[`in${link}`] as LinkReader<number>,
                  (link) => all[`out${link}`] as LinkWriter<number>,
                ),
              ),
              Effect.sync(() => ended.push(r.name)),
            ),
          ).pipe(Effect.catchTag("LinkClosed", () => Effect.die("a link closed under a running reactor")));
        },
      });
      const ends: Record<string, LinkReader<number> | LinkWriter<number>> = {};
      for (const id of r.inputs) ends[`in${id}`] = (links[id] as Link<number>).reader;
      for (const id of r.outputs) ends[`out${id}`] = (links[id] as Link<number>).writer;
      return reactor.wire(ends as never) as WiredReactor<string, never>;
    });
    const startNext = (at: number): Effect.Effect<void> =>
      Effect.suspend(() => Effect.ignore(group.start(wired[at] as WiredReactor<string, never>)));

    for (let at = 0; at < wired.length; at++) {
      if (plan.reactors[at]?.startedInside !== true) yield* startNext(at);
    }
    const begun = clock.currentTimeMillisUnsafe();
    const ending = yield* Effect.forkDetach(group.ended);
    for (let tick = 0; ending.pollUnsafe() === undefined && tick < 2_000; tick++) {
      const now = clock.currentTimeMillisUnsafe() - begun;
      if (plan.outside !== undefined && now >= plan.outside.afterMillis && group.cause === undefined) {
        noteCause(plan.outside.kind === "stop" ? "Stopped" : "ScopeClosed");
        if (plan.outside.kind === "stop") group.stopUnsafe("outside");
        else yield* Effect.forkDetach(Scope.close(scope, Exit.void), { startImmediately: true });
      }
      // Only reactors that hang are left, with nobody to end the group: as an operator would, stop it.
      if (tick === 1_000 && group.cause === undefined) {
        noteCause("Stopped");
        group.stopUnsafe("stuck");
      }
      yield* TestClock.adjust(TICK_MILLIS);
    }
    const teardownMillis = clock.currentTimeMillisUnsafe() - causedAt;
    const end = yield* group.ended;
    const refused = yield* Effect.exit(
      group.start(Reactor.make({ name: "late", reads: {}, writes: {}, run: () => Effect.never }).wire({})),
    );
    return {
      end,
      causes,
      links: records,
      emitted,
      collected,
      started,
      ended,
      releases,
      teardownMillis,
      after: {
        topology: registry.snapshot(),
        openLinks: links.filter((link) => !link.writer.isClosed || link.reader.takeUnsafe() === undefined).length,
        startRefused: Exit.isFailure(refused),
        scopeState: scope.state._tag,
      },
    };
  }).pipe(Effect.provideService(Topology.Registry, Topology.makeUnsafe()));
