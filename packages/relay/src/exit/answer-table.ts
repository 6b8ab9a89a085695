import { CACHE_SWEEP_MILLIS } from "./limits.ts";

interface Entry<A> {
  readonly value: A;
  readonly expires: number;
}

/** Answers by name, each until its time is over; bounded: the one that has been there longest makes room. */
export class AnswerTable<A> {
  private readonly entries = new Map<string, Entry<A>>();
  private readonly capacity: number;
  private nextSweep = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Answers that are kept, those included whose time is over and which nobody has asked for since. */
  get size(): number {
    return this.entries.size;
  }

  /** The answer for a name, if its time is not over. `now` is in milliseconds on any clock that does not go back. */
  get(name: string, now: number): A | undefined {
    const entry = this.entries.get(name);
    if (entry === undefined || entry.expires > now) return entry?.value;
    this.entries.delete(name);
    return undefined;
  }

  /** Keeps an answer for `ttl` seconds. */
  set(name: string, value: A, ttl: number, now: number): void {
    if (now >= this.nextSweep) this.sweep(now);
    this.entries.delete(name);
    if (this.entries.size >= this.capacity) {
      for (const oldest of this.entries.keys()) {
        this.entries.delete(oldest);
        break;
      }
    }
    this.entries.set(name, { value, expires: now + ttl * 1_000 });
  }

  /** What was visited must not stay in memory longer than it is of use. */
  private sweep(now: number): void {
    this.nextSweep = now + CACHE_SWEEP_MILLIS;
    for (const [name, entry] of this.entries) if (entry.expires <= now) this.entries.delete(name);
  }
}
