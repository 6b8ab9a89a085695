import { MAX_ENDED_NONCES, MAX_LEGS } from "../limits.ts";
import type { ConfluxViolationName } from "../violations.ts";

/** A set, to who finds it by its nonce. */
export interface Found {
  /** Legs that it has, those that are linking among them. */
  readonly size: number;
  /** Whether it has ended, even if its release still lasts: it takes no more legs. */
  readonly isOver: boolean;
}

/**
 * The sets of a process by their nonces, those that other ends have begun. Bounded, and so is what is remembered of those that have
 * ended: a nonce is not used twice.
 */
export class Sets<S extends Found> {
  private readonly byNonce = new Map<string, S>();
  /** In the order of their end. */
  private readonly ended = new Set<string>();
  private readonly maxSets: () => number;

  constructor(maxSets: () => number) {
    this.maxSets = maxSets;
  }

  get size(): number {
    return this.byNonce.size;
  }

  values(): Iterable<S> {
    return this.byNonce.values();
  }

  /** The set that a LINK is for: `begin` makes it if it is the first. Or the rule that the LINK breaks. */
  find(nonce: Buffer, begin: () => S): S | ConfluxViolationName {
    const key = nonce.toString("latin1");
    const known = this.byNonce.get(key);
    if (known?.isOver === true || this.ended.has(key)) return "reused-nonce";
    if (known !== undefined) return known.size >= MAX_LEGS ? "too-many-legs" : known;
    if (this.byNonce.size >= this.maxSets()) return "too-many-sets";
    const set = begin();
    this.byNonce.set(key, set);
    return set;
  }

  /** A set has ended. */
  remove(nonce: Buffer): void {
    const key = nonce.toString("latin1");
    if (!this.byNonce.delete(key)) return;
    this.ended.add(key);
    if (this.ended.size > MAX_ENDED_NONCES) {
      const [oldest] = this.ended;
      if (oldest !== undefined) this.ended.delete(oldest);
    }
  }
}
