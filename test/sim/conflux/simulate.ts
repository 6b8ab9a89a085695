import { type ConfluxScheduler, ConfluxSchedulers } from "@allium/conflux";
import { Clock, Effect, Exit, Metric, Scope } from "effect";
import { TestClock } from "effect/testing";
import { inVirtualTime } from "../../memory-network/virtual-time.ts";
import { planOf } from "./draw-plan.ts";
import { ENDS, type Plan } from "./plan.ts";
import { BEGINNING, World } from "./world.ts";

/** What has come of a seed. */
export interface Played {
  readonly seed: number;
  /** What is not as it should be. */
  readonly complaints: ReadonlyArray<string>;
  /** All that has happened. */
  readonly trace: string;
  /** By which two traces are compared. */
  readonly hash: string;
  readonly figures: Figures;
}

/** How it went, for sums over many seeds. */
export interface Figures {
  /** `lived`: until its streams were done. `closed`: by one of its ends before. `died`: with one of its legs, or for memory. */
  readonly fate: "lived" | "closed" | "died";
  /** Cells that counted, in both directions. */
  readonly cells: number;
  /** Cells that went with a leg and were sent again, in both directions. */
  readonly sentAgain: number;
  /** The most bytes that have waited for cells of other legs at an end. */
  readonly mostHeld: number;
  /** Virtual milliseconds in all, and from the set's close, or its end at one side, to its end at both. */
  readonly millis: number;
  readonly toEnd: number;
}

/** Plays a seed. @param scheduler by which both ends send; by what they ask of each other if left out */
export const simulate = (seed: number, scheduler?: ConfluxScheduler): Promise<Played> =>
  simulatePlan(planOf(seed), scheduler);

/** Plays a plan: for one that is cut down by hand. */
export const simulatePlan = (plan: Plan, scheduler?: ConfluxScheduler): Promise<Played> => {
  const played =
    scheduler === undefined ? playing(plan) : Effect.provideService(playing(plan), ConfluxSchedulers, () => scheduler);
  return Effect.runPromise(inVirtualTime(played));
};

const playing = (plan: Plan): Effect.Effect<Played> =>
  Effect.gen(function* () {
    yield* TestClock.setTime(BEGINNING);
    const world = new World(plan, yield* Clock.Clock);
    let fibers = 0;
    const counting: Metric.FiberRuntimeMetricsService = {
      recordFiberStart: () => void fibers++,
      recordFiberEnd: () => void fibers--,
    };
    yield* Effect.gen(function* () {
      const scope = yield* Scope.make();
      yield* Effect.provideService(world.begin(), Scope.Scope, scope);
      const before = fibers;
      yield* passTime(world);
      checkEnd(world, fibers - before);
      yield* Scope.close(scope, Exit.void);
      if (fibers !== 0) world.complain(`${fibers} fibers are left`);
    }).pipe(
      Effect.provideService(Clock.Clock, world.clock),
      Effect.provideService(Metric.FiberRuntimeMetrics, counting),
    );
    return playedOf(world);
  });

/** Has everything happen, until nothing is to happen any more. */
const passTime = (world: World): Effect.Effect<void> =>
  Effect.gen(function* () {
    const { timeline } = world;
    for (;;) {
      // Whoever is ready runs, at the present time.
      yield* TestClock.adjust(0);
      world.look();
      const { next } = timeline;
      if (next === undefined) {
        if (world.overAt !== undefined) return;
        if (world.closedAt !== undefined) return world.complain("the set was closed, and does not end");
        world.rest();
        continue;
      }
      if (timeline.now > LONGEST_MILLIS) {
        return world.complain(`it goes on after ${LONGEST_MILLIS} ms: ${world.unfinished}`);
      }
      if (next > world.clock.currentTimeMillisUnsafe()) yield* TestClock.setTime(next);
      timeline.runDue();
    }
  });

/** What must hold when nothing happens any more. */
const checkEnd = (world: World, fibers: number): void => {
  for (const stream of world.streams) for (const complaint of stream.complaints(world.lived)) world.complain(complaint);
  if (!world.mayDie && world.diedEarly) world.complain("the set ended by itself");
  const toEnd = toEndOf(world);
  if (toEnd > END_MILLIS + longestUntold(world.plan)) world.complain(`the set took ${toEnd} ms to end`);
  for (const end of ENDS) {
    const { quota, registry, manager } = world[end];
    if (quota.used !== 0) world.complain(`${end}: ${quota.used} bytes are charged at the end`);
    if (manager.sets().length > 0) world.complain(`${end}: the manager knows a set at the end`);
    const groups = registry.snapshot().groups.map(({ name }) => name);
    if (groups.length !== 1) world.complain(`${end}: groups are left: ${groups.join(", ")}`);
  }
  if (fibers !== 0) world.complain(`${fibers} fibers are left of the set`);
};

/** How long the set took to end, at both ends: from its close, or from its end at one of them. */
const toEndOf = ({ endingAt, overAt }: World): number => (overAt ?? 0) - (endingAt ?? overAt ?? 0);

const playedOf = (world: World): Played => {
  const { plan, complaints, trace, timeline } = world;
  const { sets, mostHeld } = world.observer;
  return {
    seed: plan.seed,
    complaints,
    trace: trace.text,
    hash: trace.hash,
    figures: {
      fate: world.lived ? "lived" : world.diedEarly ? "died" : "closed",
      cells: (sets.initiator?.sending.sent ?? 0) + (sets.responder?.sending.sent ?? 0),
      sentAgain: (sets.initiator?.resending?.sentAgain ?? 0) + (sets.responder?.resending?.sentAgain ?? 0),
      mostHeld,
      millis: timeline.now,
      toEnd: toEndOf(world),
    },
  };
};

/** No plan needs so long. */
const LONGEST_MILLIS = 1_800_000;

/** How long it takes until both ends have learnt of all cuts. */
const longestUntold = ({ legs }: Plan): number =>
  Math.max(0, ...legs.flatMap(({ death }) => (death?.how === "cut" ? Object.values(death.told) : [])));

/** A set takes so long to end at most: until a stall is over, once all ends have learnt of cuts. */
const END_MILLIS = 10_000;
