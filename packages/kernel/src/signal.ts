import { Effect, Exit, type Scheduler } from "effect";
import { runQueueOf, type Wakeable, type Wakes } from "./run-queue.ts";

/**
 * A level-triggered wake-up for one reactor.
 *
 * Whoever puts something where the reactor will look for it (an edge buffer, a socket callback, a link) calls `notify`; the
 * reactor looks, finds nothing more, and waits. A `notify` that comes while nobody waits is kept until the next `wait`, so
 * none is lost; many of them before a `wait` count as one, so the reactor must look everywhere it reads each time that it wakes.
 *
 * @example
 * const signal = Signal.make();
 * socket.on("data", (bytes) => { buffer.push(bytes); signal.notify(); });
 * const reactor = Effect.gen(function* () {
 *   while (true) {
 *     yield* signal.wait;
 *     for (const bytes of buffer.drain()) yield* handle(bytes);
 *   }
 * });
 */
export interface Signal {
  /**
   * Wakes the reactor, or keeps the wake for its next `wait`. Synchronous, cheap, safe in any callback; never fails. To be called
   * on the signal: it may not be handed over by itself.
   */
  notify(): void;
  /**
   * Returns at once if there was a `notify` since the last `wait`, else suspends until the next one. Consumes it. One fiber
   * at a time: a second waiter is a defect. Interrupting a `wait` consumes nothing.
   */
  readonly wait: Effect.Effect<void>;
  /** Whether a `notify` stands unconsumed. */
  readonly isSet: boolean;
}

type Resume = (effect: Effect.Effect<void>) => void;

/** An idle signal is a small object without closures: there are tens of thousands of them. */
class SignalImpl implements Signal, Wakeable {
  isSet = false;
  /** A fiber that waits, or the reactor whose turns this begins. */
  #waiter: Resume | Wakeable | undefined;
  #queue: Wakes | undefined;
  /** Made with the first `wait`. */
  #wait: Effect.Effect<void> | undefined;

  get wait(): Effect.Effect<void> {
    if (this.#wait === undefined) {
      const park = Effect.callback<void>(parkOn(this));
      this.#wait = Effect.suspend(() => {
        if (!this.isSet) return park;
        this.isSet = false;
        return Exit.void;
      });
    }
    return this.#wait;
  }

  notify(): void {
    if (this.isSet) return;
    this.isSet = true;
    if (this.#waiter !== undefined) this.#queue?.push(this);
  }

  turns(queue: Wakes, turn: Wakeable | undefined): void {
    this.#queue = queue;
    this.#waiter = turn;
    if (this.isSet && turn !== undefined) this.#queue.push(this);
  }

  runWake(): void {
    const waiter = this.#waiter;
    // The waiter was interrupted between the notify and its turn: the wake is kept for the next one.
    if (waiter === undefined || !this.isSet) return;
    this.isSet = false;
    if (typeof waiter === "object") return waiter.runWake();
    this.#waiter = undefined;
    waiter(Exit.void);
  }

  park(scheduler: Scheduler.Scheduler, resume: Resume): Effect.Effect<void> {
    if (this.#waiter !== undefined) {
      resume(Effect.die(new Error("Signal: two fibers wait on one signal")));
      return Exit.void;
    }
    this.#queue = runQueueOf(scheduler);
    this.#waiter = resume;
    // Between the look that found it unset and this step the fiber may have yielded.
    if (this.isSet) this.#queue.push(this);
    return Effect.sync(() => {
      if (this.#waiter === resume) this.#waiter = undefined;
    });
  }
}

/** `Effect.callback` hands the fiber's scheduler over as `this`, hence a `function`. */
const parkOn = (signal: SignalImpl) =>
  function (this: Scheduler.Scheduler, resume: Resume): Effect.Effect<void> {
    return signal.park(this, resume);
  };

export const Signal = {
  /** A signal that nobody has notified yet. It holds no resource, so it needs no scope. */
  make: (): Signal => new SignalImpl(),
};

/**
 * From now on `turn` is called after each `notify`, in `queue`, in place of a fiber that waits; soon, if one stands unconsumed. Consumes it. For
 * reactors in turns: nobody may `wait` on the signal beside it. A second call replaces the first, `undefined` ends it.
 */
export const callOnNotify = (signal: Signal, queue: Wakes, turn: Wakeable | undefined): void =>
  (signal as SignalImpl).turns(queue, turn);
