import { Signal } from "@allium/kernel";
import { type Clock, Effect } from "effect";

interface Event {
  /** Milliseconds of the clock, not necessarily whole. */
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

const before = (one: Event, other: Event): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);

/**
 * Everything that is going to happen on a simulated network, in the order of its time; what is due at the same time happens
 * in the order in which it was planned. So a network runs the same way every time. One fiber drives it.
 */
export class Timeline {
  /** A binary heap. */
  private readonly events: Array<Event> = [];
  private readonly changed = Signal.make();
  private readonly clock: Clock.Clock;
  private planned = 0;

  constructor(clock: Clock.Clock) {
    this.clock = clock;
  }

  /** Milliseconds of the clock. */
  now(): number {
    return this.clock.currentTimeMillisUnsafe();
  }

  /** Runs `event` at the time `at`, or as soon as possible if that is over; never within this call. */
  plan(at: number, run: () => void): void {
    const event: Event = { at, order: this.planned++, run };
    const { events } = this;
    let index = events.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = events[parent] as Event;
      if (!before(event, above)) break;
      events[index] = above;
      index = parent;
    }
    events[index] = event;
    if (index === 0) this.changed.notify();
  }

  /** Makes events happen when their time has come. */
  readonly drive: Effect.Effect<never> = Effect.gen({ self: this }, function* () {
    for (;;) {
      const next = this.events[0];
      if (next === undefined) {
        yield* this.changed.wait;
        continue;
      }
      const wait = Math.ceil(next.at - this.now() - ROUNDING);
      if (wait <= 0) {
        this.removeFirst();
        next.run();
      } else {
        yield* Effect.raceFirst(Effect.sleep(wait), this.changed.wait);
      }
    }
  });

  private removeFirst(): void {
    const { events } = this;
    const last = events.pop();
    if (last === undefined || events.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= events.length) break;
      if (child + 1 < events.length && before(events[child + 1] as Event, events[child] as Event)) child++;
      if (!before(events[child] as Event, last)) break;
      events[index] = events[child] as Event;
      index = child;
    }
    events[index] = last;
  }
}

/** Sums of fractions of milliseconds are off by less than this. */
const ROUNDING = 1e-6;
