import type { Clock } from "effect";

/** What has happened on a network, in its order: one line for each thing, with the time of the clock. */
export class Trace {
  readonly lines: Array<string> = [];
  private readonly clock: Clock.Clock;

  constructor(clock: Clock.Clock) {
    this.clock = clock;
  }

  /** Notes that something has happened. Tests may add lines of their own. */
  note(who: string, what: string): void {
    this.lines.push(`${new Date(this.clock.currentTimeMillisUnsafe()).toISOString()} ${who}: ${what}`);
  }

  /** All lines. */
  get text(): string {
    return this.lines.map((line) => `${line}\n`).join("");
  }

  /** The lines that contain a text. */
  find(text: string): ReadonlyArray<string> {
    return this.lines.filter((line) => line.includes(text));
  }
}
