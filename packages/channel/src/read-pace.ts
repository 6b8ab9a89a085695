import { Signal } from "@allium/kernel";
import { Effect, type Scope } from "effect";
import { READ_PAUSE_MILLIS } from "./timeouts.ts";

// A relay that looks at a socket as soon as there is anything to read wakes up for every few cells: its peers write in bursts,
// and it is quick enough to meet each burst several times. A wake from idle finds cold caches and costs more than the cells
// that it moves. So a socket that brought a bulk of bytes is left alone for a moment, while the rest of the burst gathers in
// the kernel. What interactive streams send is below the bulk, and read at once.

/** What can rest: it stops reading by itself, and is told when to go on. */
export interface Resting {
  /** Whether it has brought so much since it last went on that there must be more. */
  readonly overflowing: boolean;
  readonly goOn: () => void;
}

/** Lets sockets rest together, so that they also wake together. */
export interface ReadPace {
  /**
   * Calls `goOn` once: after a pause that it shares with others, or in the next turn of the event loop if the socket has more than
   * one turn can bring. False if nobody rests any more.
   */
  readonly rest: (reader: Resting) => boolean;
}

/** Sockets may rest until the scope closes; those that do then go on. */
export const makeReadPace: Effect.Effect<ReadPace, never, Scope.Scope> = Effect.gen(function* () {
  let tired: Array<Resting> = [];
  let resting: Array<Resting> = [];
  let isOpen = true;
  const someTired = Signal.make();
  const someResting = Signal.make();

  const sort = (): void => {
    const readers = tired;
    tired = [];
    for (const reader of readers) {
      if (reader.overflowing) reader.goOn();
      else resting.push(reader);
    }
    if (resting.length > 0) someResting.notify();
  };
  const wake = (): void => {
    const readers = resting;
    resting = [];
    for (const reader of readers) reader.goOn();
  };
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isOpen = false;
      resting.push(...tired);
      tired = [];
      wake();
    }),
  );
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(someTired.wait, Effect.sync(sort))));
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.andThen(someResting.wait, Effect.andThen(Effect.sleep(READ_PAUSE_MILLIS), Effect.sync(wake))),
    ),
  );
  return {
    rest: (reader) => {
      if (!isOpen) return false;
      tired.push(reader);
      someTired.notify();
      return true;
    },
  };
});

/** Bytes from which a socket's reading counts as bulk: eight cells. */
export const BULK_BYTES = 4_096;

/** A socket that brought this much in a turn, of the 64 KiB that the platform reads at once, has more. */
export const FULL_BYTES = 48 * 1_024;
