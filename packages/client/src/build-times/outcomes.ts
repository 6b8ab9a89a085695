/**
 * How the newest circuits that got through at least one hop ended, to see that the network has changed (path-spec 2.4.5). Not
 * kept over a restart.
 */
export class RecentOutcomes {
  #timeouts: Array<boolean> = [];
  #length: number;

  /** @param length how many are kept (`cbtrecentcount`) */
  constructor(length: number) {
    this.#length = length;
  }

  /** Keeps one, in place of the oldest if there are enough. */
  add(timedOut: boolean): void {
    this.#timeouts.push(timedOut);
    this.#trim();
  }

  /** Keeps another number from now on; the oldest go first. */
  resize(length: number): void {
    this.#length = length;
    this.#trim();
  }

  /** How many are kept. */
  get count(): number {
    return this.#timeouts.length;
  }

  /** How many of these are timeouts. */
  get timeouts(): number {
    let count = 0;
    for (const timedOut of this.#timeouts) if (timedOut) count++;
    return count;
  }

  /** Forgets all. */
  clear(): void {
    this.#timeouts = [];
  }

  #trim(): void {
    const surplus = this.#timeouts.length - this.#length;
    if (surplus > 0) this.#timeouts.splice(0, surplus);
  }
}
