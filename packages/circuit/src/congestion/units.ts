import { Brand } from "effect";

/**
 * Time of a monotonic clock, or a span of it, in whole microseconds. Congestion and flow control compute in integers, as every
 * other implementation does, so that the same network gives the same windows.
 */
export type Micros = number & Brand.Brand<"Micros">;

/** Takes a number of microseconds for what it is. */
export const Micros = Brand.nominal<Micros>();

/** The microseconds of a nanosecond clock, such as `Clock.monotonicTimeNanos`. */
export const microsOfNanos = (nanos: bigint): Micros => Micros(Number(nanos / 1000n));
