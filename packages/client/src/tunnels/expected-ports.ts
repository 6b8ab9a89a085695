import type { UnixMillis } from "@allium/netdoc";

/** Ports that are expected, at most; those that were not asked for the longest are forgotten first. */
export const MAX_EXPECTED_PORTS = 32;

/** The ports that are likely to be asked for soon, as they were lately (path-spec 2.1.1, "predicted"). */
export class ExpectedPorts {
  /** When each was last asked for, the oldest first. */
  readonly #last = new Map<number, UnixMillis>();

  constructor(initial: Iterable<number>, now: UnixMillis) {
    for (const port of initial) this.note(port, now);
  }

  /** One was asked for. */
  note(port: number, now: UnixMillis): void {
    this.#last.delete(port);
    this.#last.set(port, now);
    if (this.#last.size <= MAX_EXPECTED_PORTS) return;
    const [oldest] = this.#last.keys();
    if (oldest !== undefined) this.#last.delete(oldest);
  }

  /** One is not to be had. */
  drop(port: number): void {
    this.#last.delete(port);
  }

  /** Those that are expected still. @param timeout for how long they are, in milliseconds */
  current(now: UnixMillis, timeout: number): ReadonlyArray<number> {
    for (const [port, last] of this.#last) if (now - last > timeout) this.#last.delete(port);
    return [...this.#last.keys()];
  }

  /** When the next one is to be forgotten; undefined if there is none. */
  nextEnd(timeout: number): UnixMillis | undefined {
    const [oldest] = this.#last.values();
    return oldest === undefined ? undefined : oldest + timeout;
  }
}
