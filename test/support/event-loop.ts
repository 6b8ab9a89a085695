import { Effect } from "effect";

/** A turn of the event loop: what sockets, files and packing need to go on, of which the test's clock knows nothing. */
export const eventLoopTurn: Effect.Effect<void> = Effect.callback((resume) => {
  setImmediate(() => resume(Effect.void));
});

/** Lets turns of the event loop pass until something holds. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (!holds()) yield* eventLoopTurn;
  });
