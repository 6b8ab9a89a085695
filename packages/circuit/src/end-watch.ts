import { Signal } from "@allium/kernel";
import { type Clock, Duration, Effect } from "effect";
import { FORCED_TEARDOWN_DELAY } from "./timeouts.ts";

/** A circuit of which one side has ended. */
export interface Ending {
  /** Whether all of it has. */
  readonly hasEnded: boolean;
  /** Ends it, whatever its reactors wait for. */
  readonly force: () => void;
}

/**
 * Sees to it that circuits end whose peer has gone: a reactor that is blocked elsewhere does not see the end of its inbox. One timer
 * for all of them, and none for those that end at once, as nearly all do.
 */
export class EndWatch {
  private readonly clock: Clock.Clock;
  private readonly changed = Signal.make();
  private came: Array<Ending> = [];
  /** When each is to be forced, in milliseconds; the oldest first. */
  private readonly due = new Map<Ending, number>();

  constructor(clock: Clock.Clock) {
    this.clock = clock;
  }

  /** One side of a circuit has ended. */
  add(ending: Ending): void {
    this.came.push(ending);
    this.changed.notify();
  }

  /** It has ended by itself. */
  remove(ending: Ending): void {
    if (this.due.delete(ending) && this.due.size === 0) this.changed.notify();
  }

  /** Watches, for as long as there are circuits. */
  readonly run: Effect.Effect<never> = Effect.gen({ self: this }, function* () {
    for (;;) {
      const wait = this.look();
      yield* wait === undefined ? this.changed.wait : Effect.raceFirst(Effect.sleep(wait), this.changed.wait);
    }
  });

  /** Forces what is due; returns the milliseconds until the next one is, if there is one. */
  private look(): number | undefined {
    const now = this.clock.currentTimeMillisUnsafe();
    const { came, due } = this;
    this.came = [];
    // Their reactors have had their turn by now.
    for (const ending of came) if (!ending.hasEnded && !due.has(ending)) due.set(ending, now + DELAY_MILLIS);
    for (const [ending, at] of due) {
      if (at > now) return at - now;
      due.delete(ending);
      ending.force();
    }
    return undefined;
  }
}

const DELAY_MILLIS = Duration.toMillis(Duration.fromInputUnsafe(FORCED_TEARDOWN_DELAY));
