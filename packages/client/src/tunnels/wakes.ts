import { Effect } from "effect";

/**
 * Tells any number of fibers that something has changed, and none of them misses it. Changes of one turn wake them once: building one
 * circuit is a dozen of changes, and whoever wakes looks at everything.
 */
export class Wakes {
  readonly #also: Wakes | undefined;
  #version = 0;
  #isFlushing = false;
  readonly #waiting = new Set<() => void>();

  /** @param also is notified of each change that this one is: for who looks at these changes and at others */
  constructor(also?: Wakes) {
    this.#also = also;
  }

  /** A number that grows with each change. */
  get version(): number {
    return this.#version;
  }

  notify(): void {
    this.#also?.notify();
    this.#version++;
    if (this.#isFlushing || this.#waiting.size === 0) return;
    this.#isFlushing = true;
    queueMicrotask(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isFlushing = false;
    for (const wake of [...this.#waiting]) wake();
  };

  /** Waits until there was a change after the one with this number. */
  after(version: number): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.#version === version
        ? Effect.callback<void>((resume) => {
            // There may have been one between the two looks.
            if (this.#version !== version) return resume(Effect.void);
            const wake = (): void => {
              this.#waiting.delete(wake);
              resume(Effect.void);
            };
            this.#waiting.add(wake);
            return Effect.sync(() => this.#waiting.delete(wake));
          })
        : Effect.void,
    );
  }
}
