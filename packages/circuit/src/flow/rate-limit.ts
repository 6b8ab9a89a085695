import { Micros } from "../congestion/units.ts";
import { BytesPerSecond } from "./units.ts";

const microsPerSecond = 1_000_000;

/**
 * Lets bytes through at a rate, with a burst of one second's worth: a token bucket, as `tor` has on its edge connections.
 * Without a limit until one is set.
 *
 * Tokens are held in byte-microseconds, so that refilling is exact: they stay below 2^53 for every rate that an XON can set.
 */
export class RateLimit {
  #rate: BytesPerSecond = BytesPerSecond(Number.POSITIVE_INFINITY);
  #tokens = Number.POSITIVE_INFINITY;
  #filledAt = 0;

  /** The rate in force. */
  get rate(): BytesPerSecond {
    return this.#rate;
  }

  /** Changes the rate. What is left of the burst is kept, as far as the new rate's burst goes. */
  set(rate: BytesPerSecond, nowUs: Micros): void {
    this.#refill(nowUs);
    this.#rate = rate;
    this.#tokens = rate === Number.POSITIVE_INFINITY ? rate : Math.min(this.#tokens, rate * microsPerSecond);
    this.#filledAt = nowUs;
  }

  /** Bytes that may pass now. Negative after more than that has passed. */
  available(nowUs: Micros): number {
    this.#refill(nowUs);
    return Math.floor(this.#tokens / microsPerSecond);
  }

  /** When so many bytes may pass, if none pass until then. `undefined` if the burst never holds as many. */
  availableAt(bytes: number, nowUs: Micros): Micros | undefined {
    this.#refill(nowUs);
    const missing = bytes * microsPerSecond - this.#tokens;
    if (missing <= 0) return nowUs;
    return bytes > this.#rate ? undefined : Micros(nowUs + Math.ceil(missing / this.#rate));
  }

  /** Counts bytes that passed. */
  take(bytes: number, nowUs: Micros): void {
    this.#refill(nowUs);
    this.#tokens -= bytes * microsPerSecond;
  }

  #refill(nowUs: Micros): void {
    if (this.#rate === Number.POSITIVE_INFINITY) return;
    const elapsed = nowUs - this.#filledAt;
    this.#tokens = Math.min(this.#tokens + elapsed * this.#rate, this.#rate * microsPerSecond);
    this.#filledAt = nowUs;
  }
}
