import { Clock, Effect } from "effect";

/** A clock that does not go back, in whole milliseconds since nobody knows when: for rates, and for what expires. */
export const monotonicMillis: Effect.Effect<() => number> = Effect.map(
  Clock.Clock,
  (clock) => () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n),
);
