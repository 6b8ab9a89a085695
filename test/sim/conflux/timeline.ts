interface Event {
  readonly at: number;
  readonly order: number;
  /** Nothing, once it is taken back. */
  run: (() => void) | undefined;
}

const isBefore = (one: Event, other: Event): boolean =>
  one.at < other.at || (one.at === other.at && one.order < other.order);

/** What is going to happen, in the order of its time, and then of its planning. Whoever moves the clock takes it from here. */
export class Timeline {
  /** A binary heap. */
  private readonly events: Array<Event> = [];
  private readonly clock: () => number;
  private planned = 0;

  private readonly beginning: number;

  /** @param clock milliseconds */
  constructor(clock: () => number) {
    this.clock = clock;
    this.beginning = clock();
  }

  /** Milliseconds from the beginning. */
  get now(): number {
    return this.clock() - this.beginning;
  }

  /** When the next event is, by the clock. */
  get next(): number | undefined {
    while (this.events.length > 0 && this.events[0]?.run === undefined) this.removeFirst();
    return this.events[0]?.at;
  }

  /** Runs something in so many milliseconds: never within this call. Returns how to take it back. */
  after(millis: number, run: () => void): () => void {
    return this.put(this.clock() + millis, run);
  }

  /** Runs something so many milliseconds from the beginning, or as soon as possible if that is over. Returns how to take it back. */
  plan(at: number, run: () => void): () => void {
    return this.put(Math.max(this.beginning + at, this.clock()), run);
  }

  /** Runs what is to happen by now, and what is to happen at once because of it. */
  runDue(): void {
    while ((this.next ?? Number.POSITIVE_INFINITY) <= this.clock()) this.removeFirst()?.run?.();
  }

  private put(at: number, run: () => void): () => void {
    const { events } = this;
    const event: Event = { at, order: this.planned++, run };
    let index = events.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = events[parent] as Event;
      if (!isBefore(event, above)) break;
      events[index] = above;
      index = parent;
    }
    events[index] = event;
    return () => {
      event.run = undefined;
    };
  }

  private removeFirst(): Event | undefined {
    const { events } = this;
    const first = events[0];
    const last = events.pop();
    if (last !== undefined && events.length > 0) this.sink(last);
    return first;
  }

  private sink(event: Event): void {
    const { events } = this;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= events.length) break;
      if (child + 1 < events.length && isBefore(events[child + 1] as Event, events[child] as Event)) child++;
      if (!isBefore(events[child] as Event, event)) break;
      events[index] = events[child] as Event;
      index = child;
    }
    events[index] = event;
  }
}
