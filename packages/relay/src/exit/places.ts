import type { Connection } from "@allium/channel";
import { Effect, Exit } from "effect";

/** Places of one kind that the circuits of a process share. */
export class Places {
  /** How many there are. */
  readonly max: number;
  /** How many are taken. */
  taken = 0;

  constructor(max: number) {
    this.max = max;
  }
}

/**
 * The places that one circuit has taken. It may have as many as are left for all: a flood on one circuit has half of them, one on two
 * a third on each, and there is always one for a circuit that has few.
 */
export class CircuitPlaces {
  private readonly places: Places;
  /** Taken by what is under way. */
  private underWay = 0;
  /** Taken by connections that are open. */
  private readonly open = new Set<Connection>();
  private isOver = false;

  constructor(places: Places) {
    this.places = places;
  }

  /** How many the circuit has. */
  get size(): number {
    return this.underWay + this.open.size;
  }

  /** Whether the circuit may not have one more. */
  get isFull(): boolean {
    return this.size >= this.places.max - this.places.taken;
  }

  /**
   * Has a place while an effect runs and, if that opens a connection, until the connection is let go of. It does not look whether there is
   * a place.
   */
  during<A, E>(effect: Effect.Effect<A, E>, opens?: (value: A) => Connection): Effect.Effect<A, E> {
    return Effect.suspend(() => {
      if (this.isOver) return Effect.interrupt;
      this.underWay++;
      this.places.taken++;
      return Effect.onExit(effect, (exit) =>
        Effect.sync(() => {
          if (this.isOver) return;
          this.underWay--;
          if (opens !== undefined && Exit.isSuccess(exit)) this.open.add(opens(exit.value));
          else this.places.taken--;
        }),
      );
    });
  }

  /** A connection was let go of. */
  leave(connection: Connection): void {
    if (this.open.delete(connection)) this.places.taken--;
  }

  /** The circuit is over: it gives everything back, and gets nothing any more. */
  end(): void {
    this.isOver = true;
    this.places.taken -= this.size;
    this.underWay = 0;
    this.open.clear();
  }
}
