import { Signal } from "@allium/kernel";
import { Clock, Duration, Effect, type Scope } from "effect";
import { READ_PAUSE_MILLIS } from "./timeouts.ts";

// A relay that looks at a socket as soon as there is anything to read wakes up for every few cells: its peers write in bursts,
// and it is quick enough to meet each burst several times. A wake from idle finds cold caches and costs more than the cells
// that it moves. So a socket that brought a bulk of bytes is left alone for a moment, while the rest of the burst gathers in
// the kernel. What interactive streams send is below the bulk, and read at once.

/** Lets sockets rest together, so that they also wake together. */
export interface ReadPace {
  /** Calls `goOn` after a pause that it shares with others. False if nobody rests any more. */
  readonly rest: (reader: { readonly goOn: () => void }) => boolean;
}

/** Sockets may rest until the scope closes; those that do then go on. */
export const makeReadPace: Effect.Effect<ReadPace, never, Scope.Scope> = Effect.gen(function* () {
  let resting: Array<{ readonly goOn: () => void }> = [];
  let isOpen = true;
  const someRest = Signal.make();
  const wake = Effect.sync(() => {
    const readers = resting;
    resting = [];
    for (const reader of readers) reader.goOn();
  });
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      Effect.sync(() => {
        isOpen = false;
      }),
      wake,
    ),
  );
  // Made once, and without the pause that `forever` makes by itself: this happens hundreds of times a second.
  const pause = (yield* Clock.Clock).sleep(Duration.millis(READ_PAUSE_MILLIS));
  const cycle = Effect.andThen(someRest.wait, Effect.andThen(pause, wake));
  yield* Effect.forkScoped(Effect.forever(cycle, { disableYield: true }));
  return {
    rest: (reader) => {
      if (!isOpen) return false;
      resting.push(reader);
      someRest.notify();
      return true;
    },
  };
});

/** Bytes from which a socket's reading counts as bulk: eight cells. */
export const BULK_BYTES = 4_096;

/** What the platform reads from a socket at most in a turn of the event loop. */
export const TURN_BYTES = 64 * 1_024;

/** A socket that brought this much has more, and does not rest. */
export const FULL_BYTES = 48 * 1_024;
