/**
 * Says of what happens often how often it has happened, and not each time: the first time at once, then at most once in an
 * interval. Without a timer: what has happened since the last word is told with the next.
 */
export class QuietLog<Event extends string> {
  private readonly intervalMillis: number;
  private readonly now: () => number;
  private readonly say: (event: Event, times: number) => void;
  private readonly events = new Map<Event, { times: number; next: number }>();

  /**
   * @param options.now milliseconds of a clock that does not go back
   * @param options.say logs that something has happened so often since it was last said
   */
  constructor(options: {
    readonly intervalMillis: number;
    readonly now: () => number;
    readonly say: (event: Event, times: number) => void;
  }) {
    this.intervalMillis = options.intervalMillis;
    this.now = options.now;
    this.say = options.say;
  }

  /** Something has happened. */
  note(event: Event): void {
    const now = this.now();
    let known = this.events.get(event);
    if (known === undefined) {
      known = { times: 0, next: now };
      this.events.set(event, known);
    }
    known.times++;
    if (now < known.next) return;
    this.say(event, known.times);
    known.times = 0;
    known.next = now + this.intervalMillis;
  }
}
