import type { MemoryAccount, MemoryKind, MemoryQuota } from "@allium/kernel";
import { CACHE_SWEEP_MILLIS } from "./limits.ts";

interface Entry<A> {
  readonly value: A;
  readonly expires: number;
}

/** Answers by name, each until its time is over; bounded: the one that has been there longest makes room. */
export class AnswerTable<A> {
  private readonly entries = new Map<string, Entry<A>>();
  private readonly capacity: number;
  private readonly memory: MemoryAccount;
  private nextSweep = 0;

  /** @param quota where answers are charged; when memory is short, those go that have been there longest */
  constructor(capacity: number, quota: MemoryQuota) {
    this.capacity = capacity;
    this.memory = quota.open(NAMES, { oldest: () => 0, reclaim: (bytes) => this.shrink(bytes) });
  }

  /** Answers that are kept, those included whose time is over and which nobody has asked for since. */
  get size(): number {
    return this.entries.size;
  }

  /** The answer for a name, if its time is not over. `now` is in milliseconds on any clock that does not go back. */
  get(name: string, now: number): A | undefined {
    const entry = this.entries.get(name);
    if (entry === undefined || entry.expires > now) return entry?.value;
    this.delete(name);
    return undefined;
  }

  /** Keeps an answer for `ttl` seconds. */
  set(name: string, value: A, ttl: number, now: number): void {
    if (now >= this.nextSweep) this.sweep(now);
    this.delete(name);
    if (this.entries.size >= this.capacity) {
      for (const oldest of this.entries.keys()) {
        this.delete(oldest);
        break;
      }
    }
    this.entries.set(name, { value, expires: now + ttl * 1_000 });
    this.memory.adjust(bytesOf(name));
  }

  /** Forgets everything, for good. */
  close(): void {
    this.entries.clear();
    this.memory.close();
  }

  private delete(name: string): void {
    if (this.entries.delete(name)) this.memory.adjust(-bytesOf(name));
  }

  /** What was visited must not stay in memory longer than it is of use. */
  private sweep(now: number): void {
    this.nextSweep = now + CACHE_SWEEP_MILLIS;
    for (const [name, entry] of this.entries) if (entry.expires <= now) this.delete(name);
  }

  private shrink(bytes: number): void {
    const target = this.memory.bytes - bytes;
    for (const name of this.entries.keys()) {
      if (this.memory.bytes <= target) return;
      this.delete(name);
    }
  }
}

/** Answers of the DNS. */
const NAMES: MemoryKind = { name: "names", policy: "share" };

/** What an answer takes, about: its name, its addresses, and the objects around them. */
const bytesOf = (name: string): number => name.length + ANSWER_BYTES;

const ANSWER_BYTES = 400;
