import { Clock, Context, Duration, Effect, Fiber, Layer, Scheduler, Semaphore } from "effect";
import type { TestClock } from "effect/testing";

/**
 * Runs a simulation under another test clock than that of Effect, for those of many sleeps: `TestClock.adjust` and `setTime` work as
 * they do there, from 1970 on.
 *
 * Effect's gives each wake a turn of the event loop, and a timer that watches over it: some 20 µs, here 2. Whatever is ready runs in
 * one go, in its order, and only when nothing is ready any more does time jump to the next sleeper. What takes real time (sockets,
 * files, packing, workers) is not waited for by either of them.
 */
export const inVirtualTime = <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  // In a fiber that has known no other scheduler.
  Effect.provide(Effect.flatMap(Effect.forkChild(body), Fiber.join), layer);

const layer = Layer.effectContext(
  Effect.map(liveClock(), (live) => {
    const time = new VirtualTime(live);
    return Context.make(Clock.Clock, time.clock).pipe(Context.add(Scheduler.Scheduler, time.scheduler));
  }),
);

/** The clock on the wall, also for who runs under a test clock already. */
function liveClock(): Effect.Effect<Clock.Clock> {
  return Effect.clockWith((clock) =>
    "withLive" in clock
      ? (clock as TestClock.TestClock).withLive(Effect.clockWith(Effect.succeed))
      : Effect.succeed(clock),
  );
}

/** Somebody who waits for a time. */
interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** Somebody who has time pass. */
interface Advance {
  readonly until: number;
  readonly done: () => void;
}

class VirtualTime {
  readonly clock: TestClock.TestClock;
  readonly scheduler: Scheduler.Scheduler;
  /** What is ready to run, in its order. */
  private ready: Array<() => void> = [];
  private next = 0;
  private running = false;
  private planned = false;
  /** When the platform is to have its turn again, on its own clock. */
  private sliceEnd = 0;
  /** Turns of promises in which nothing became ready. */
  private quiet = 0;
  /** The latest first. Who came first of two for the same time stands behind the other. */
  private readonly sleepers: Array<Sleeper> = [];
  private advance: Advance | undefined;
  private now = 0;
  /** Never goes back. */
  private elapsed = 0;

  constructor(live: Clock.Clock) {
    this.scheduler = new Scheduler.MixedScheduler("async", (run) => this.whenReady(run));
    const turn = Semaphore.makeUnsafe(1);
    const pass = (until: () => number): Effect.Effect<void> => turn.withPermits(1)(this.pass(until));
    const millis = (): number => this.now;
    const nanos = (): bigint => BigInt(Math.round(this.now * 1e6));
    const monotonic = (): bigint => BigInt(Math.round(this.elapsed * 1e6));
    this.clock = {
      currentTimeMillisUnsafe: millis,
      currentTimeNanosUnsafe: nanos,
      monotonicTimeNanosUnsafe: monotonic,
      currentTimeMillis: Effect.sync(millis),
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanos: Effect.sync(monotonic),
      sleep: (duration) => this.sleep(Duration.toMillis(duration)),
      adjust: (by) => pass(() => this.now + Duration.toMillis(Duration.fromInputUnsafe(by))),
      setTime: (time) => pass(() => time),
      withLive: (effect) => Effect.provideService(effect, Clock.Clock, live),
    };
  }

  private sleep(millis: number): Effect.Effect<void> {
    if (!(millis > 0)) return Effect.void;
    return Effect.callback((resume) => {
      const sleeper: Sleeper = { at: this.now + millis, wake: () => resume(Effect.void) };
      const { sleepers } = this;
      sleepers.splice(this.placeOf(sleeper.at), 0, sleeper);
      return Effect.sync(() => {
        const index = sleepers.indexOf(sleeper);
        if (index >= 0) sleepers.splice(index, 1);
      });
    });
  }

  private placeOf(at: number): number {
    const { sleepers } = this;
    let low = 0;
    let high = sleepers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sleepers[middle] as Sleeper).at > at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Has time pass; if it is interrupted, no more of it. */
  private pass(until: () => number): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const advance: Advance = { until: until(), done: () => resume(Effect.void) };
      this.advance = advance;
      this.plan();
      return Effect.sync(() => {
        if (this.advance === advance) this.advance = undefined;
      });
    });
  }

  private whenReady(run: () => void): () => void {
    let isWanted = true;
    this.ready.push(() => {
      if (isWanted) run();
    });
    this.plan();
    return () => {
      isWanted = false;
    };
  }

  /** The platform has its turn before all that was begun by something real. */
  private plan(): void {
    if (this.running || this.planned) return;
    this.planned = true;
    setImmediate(this.begin);
  }

  private readonly begin = (): void => {
    this.planned = false;
    this.sliceEnd = performance.now() + SLICE_MILLIS;
    this.run();
  };

  /** Runs what is ready, and then moves time on to the next sleeper, again and again. */
  private readonly run = (): void => {
    this.running = true;
    try {
      for (let step = 1; ; step++) {
        // The platform wants to be heard now and then: a test that takes too long is to be ended.
        if (step % STEPS_PER_LOOK === 0 && performance.now() > this.sliceEnd) break;
        if (this.runNext()) {
          this.quiet = 0;
        } else if (this.advance === undefined) {
          break;
        } else if (this.quiet < QUIET_TURNS) {
          // What waits for a promise that is kept at once goes on before time does.
          this.quiet++;
          queueMicrotask(this.run);
          return;
        } else {
          this.quiet = 0;
          this.moveOn(this.advance);
        }
      }
    } catch (bug) {
      this.rest();
      throw bug;
    }
    this.rest();
  };

  private rest(): void {
    this.running = false;
    if (this.next < this.ready.length || this.advance !== undefined) this.plan();
  }

  private runNext(): boolean {
    const task = this.ready[this.next];
    if (task === undefined) return false;
    this.next++;
    if (this.next === this.ready.length) {
      this.ready = [];
      this.next = 0;
    }
    task();
    return true;
  }

  private moveOn(advance: Advance): void {
    const sleeper = this.sleepers.at(-1);
    if (sleeper !== undefined && sleeper.at <= advance.until) {
      this.sleepers.pop();
      this.moveTo(sleeper.at);
      sleeper.wake();
    } else {
      this.moveTo(advance.until);
      this.advance = undefined;
      advance.done();
    }
  }

  private moveTo(time: number): void {
    this.elapsed += Math.max(0, time - this.now);
    this.now = time;
  }
}

/** For how long a simulation runs before the platform has its turn. */
const SLICE_MILLIS = 50;

const STEPS_PER_LOOK = 256;

/** As many promises may be chained, each kept at once, before time moves on without waiting for the last. */
const QUIET_TURNS = 8;
