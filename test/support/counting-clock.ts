import { Clock, type Duration, Effect } from "effect";

/** Runs `body` under a clock that counts the sleeps that last, so that a timer that is left behind is seen. */
export const withSleepers = <A, E, R>(
  body: (sleepers: () => number) => Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) => {
    let sleepers = 0;
    const counting = Object.assign(Object.create(clock) as Clock.Clock, {
      sleep: (duration: Duration.Duration) =>
        Effect.acquireUseRelease(
          Effect.sync(() => sleepers++),
          () => clock.sleep(duration),
          () => Effect.sync(() => sleepers--),
        ),
    });
    return Effect.provideService(
      body(() => sleepers),
      Clock.Clock,
      counting,
    );
  });
