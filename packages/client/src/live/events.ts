import { Effect, PubSub, type Scope, Stream } from "effect";
import type { BootstrapStatus, ClientEvent } from "../status.ts";

/** How many events a reader may be behind before it misses the oldest. */
export const EVENTS_AHEAD = 256;

/** What a client tells of itself, for whoever listens. Nobody waits for a listener. */
export interface EventHub {
  /** Tells an event, which is made only if somebody listens. */
  readonly publish: (make: () => ClientEvent) => void;
  /** Begins with a status. */
  readonly events: (status: () => BootstrapStatus) => Stream.Stream<ClientEvent>;
}

/** Makes it; it ends, and its readers with it, when the scope closes. */
export const makeEventHub: Effect.Effect<EventHub, never, Scope.Scope> = Effect.gen(function* () {
  const hub = yield* PubSub.sliding<ClientEvent>(EVENTS_AHEAD);
  let listeners = 0;
  const listen = Effect.acquireRelease(
    Effect.sync(() => {
      listeners++;
    }),
    () =>
      Effect.sync(() => {
        listeners--;
      }),
  );
  yield* Effect.addFinalizer(() => PubSub.shutdown(hub));
  return {
    publish: (make) => {
      // Once it has ended nobody is told any more.
      if (listeners > 0) Effect.runSyncExit(PubSub.publish(hub, make()));
    },
    events: (status) =>
      Stream.unwrap(
        Effect.map(Effect.andThen(listen, PubSub.subscribe(hub)), (subscription) =>
          Stream.concat(
            Stream.sync((): ClientEvent => ({ _tag: "Bootstrap", status: status() })),
            Stream.fromSubscription(subscription),
          ),
        ),
      ),
  };
});
