import type { UnixMillis } from "@allium/netdoc";
import { EXHAUSTED_RETRY_MAX_MILLIS, EXHAUSTED_RETRY_MIN_MILLIS } from "./limits.ts";

/**
 * What happens once all guards are down (guard-spec 4.6, last step): all become worth another attempt. The specification has
 * them so at once; here it takes a time, or a client without network would never stop trying. The time doubles from
 * `EXHAUSTED_RETRY_MIN_MILLIS` to `EXHAUSTED_RETRY_MAX_MILLIS`, and begins anew when a guard is reached that was not.
 */
export class Exhaustion {
  #delay = EXHAUSTED_RETRY_MIN_MILLIS;
  #until: UnixMillis | undefined;

  /** When all guards become worth another attempt; undefined while they are not exhausted. */
  get until(): UnixMillis | undefined {
    return this.#until;
  }

  /** All guards were found to be down. */
  begin(now: UnixMillis): void {
    if (this.#until !== undefined) return;
    this.#until = now + this.#delay;
    this.#delay = Math.min(this.#delay * 2, EXHAUSTED_RETRY_MAX_MILLIS);
  }

  /** Whether the time has come; true once. */
  isOver(now: UnixMillis): boolean {
    if (this.#until === undefined || now < this.#until) return false;
    this.#until = undefined;
    return true;
  }

  /** A guard was reached. */
  over(): void {
    this.#delay = EXHAUSTED_RETRY_MIN_MILLIS;
    this.#until = undefined;
  }

  /** The clock was set back by so much. */
  shift(byMillis: number): void {
    if (this.#until !== undefined) this.#until -= byMillis;
  }
}
