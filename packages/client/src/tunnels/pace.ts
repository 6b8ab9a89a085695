import type { UnixMillis } from "@allium/netdoc";
import { LEAST_BETWEEN_SPARE_MILLIS, SPARE_RETRY_CAP_MILLIS } from "./times.ts";

/** When another tunnel may be begun that nobody waits for: later and later, as long as they come to nothing. */
export class Pace {
  #retryAt: UnixMillis = Number.NEGATIVE_INFINITY;
  #delay = LEAST_BETWEEN_SPARE_MILLIS;

  /** Not before this. */
  get retryAt(): UnixMillis {
    return this.#retryAt;
  }

  /** All is well. */
  calm(): void {
    this.#delay = LEAST_BETWEEN_SPARE_MILLIS;
  }

  /** One was begun, or could not be. @returns when another one may be */
  next(now: UnixMillis, isFailing: boolean): UnixMillis {
    if (isFailing) this.#delay = Math.min(this.#delay * 2, SPARE_RETRY_CAP_MILLIS);
    this.#retryAt = now + this.#delay;
    return this.#retryAt;
  }
}
