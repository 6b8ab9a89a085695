import { type Clock, Effect, type Exit, type Scheduler } from "effect";
import { type RunQueue, runQueueOf, type Wakeable } from "./run-queue.ts";
import type { Signal } from "./signal.ts";

/**
 * The reading end's answer when there is nothing more to take. A plain value and no `Error`: a clean end is not a fault, and
 * needs no stack.
 */
export class LinkEnded {
  readonly _tag = "LinkEnded";
  /** The link's name. */
  readonly link: string;
  /** True after `writer.end` when all that was accepted has been taken. False when something was, or may have been, dropped. */
  readonly clean: boolean;

  constructor(link: string, clean: boolean) {
    this.link = link;
    this.clean = clean;
  }
}

/** What a link has counted since it was made. Times are nanoseconds of the `Clock`, and include a wait that still lasts. */
export interface LinkCounters {
  /** Items accepted. */
  readonly items: number;
  /** How often a writer had to wait because the link was full, and how long altogether. */
  readonly writerBlocks: number;
  readonly writerBlockedNanos: number;
  /** How often the reader had to wait because the link was empty, and how long altogether. */
  readonly readerBlocks: number;
  readonly readerBlockedNanos: number;
}

/** What both ends can tell about their link. */
export interface LinkEnd {
  readonly name: string;
  /** The link that this is an end of; the same object for both ends. For identity only. */
  readonly link: object;
  /** What passed and how long each side waited. Computed when called: nothing is paid for it before. */
  readonly counters: () => LinkCounters;
}

/** A reading end: of a link, or of a mailbox. One fiber reads at a time: a second one that waits is a defect. */
export interface LinkReader<out A, out E = never> extends LinkEnd {
  /** Takes the next item, and suspends while there is none. Fails when the link has ended and all was taken. */
  readonly take: Effect.Effect<A, E | LinkEnded>;
  /** The next item or the end, if `take` would not wait; else `undefined`. For hot paths and for reading several links. */
  readonly takeUnsafe: () => Exit.Exit<A, E | LinkEnded> | undefined;
  /**
   * Notifies `signal` whenever there is something to take (an item, the end), at once if there is already. A reactor that
   * reads several links lets them all wake one signal, and after each wake asks every `takeUnsafe` until it is `undefined`.
   * One signal at a time: the last call counts.
   */
  readonly wakes: (signal: Signal) => Effect.Effect<void>;
  /** As `wakes`, without an effect. */
  readonly wakesUnsafe: (signal: Signal) => void;
  /** Takes no more: what the link holds is dropped, writers meet `LinkClosed`, and this end meets `LinkEnded`. */
  readonly close: Effect.Effect<void>;
}

type Resume<A, E> = (effect: Effect.Effect<A, E | LinkEnded>) => void;

/**
 * The reading half that links and mailboxes have in common: how one reader waits, is woken, and how its waiting is counted.
 *
 * A reader is resumed through the run queue and takes its item when it runs, so an item that is on its way to a reader that
 * is interrupted stays where it was.
 */
export abstract class Inlet<in out A, in out E> implements Wakeable {
  readonly name: string;
  readonly #clock: Clock.Clock;
  /** Made with the first `take`: a link that is only polled needs none. */
  #take: Effect.Effect<A, E | LinkEnded> | undefined;
  #reader: Resume<A, E> | undefined;
  #queue: RunQueue | undefined;
  #signal: Signal | undefined;
  #since = 0;
  #blocks = 0;
  #blockedNanos = 0;

  constructor(name: string, clock: Clock.Clock) {
    this.name = name;
    this.#clock = clock;
  }

  get take(): Effect.Effect<A, E | LinkEnded> {
    if (this.#take === undefined) {
      const park = Effect.callback<A, E | LinkEnded>(parkOn(this));
      this.#take = Effect.suspend(() => this.takeUnsafe() ?? park);
    }
    return this.#take;
  }

  abstract takeUnsafe(): Exit.Exit<A, E | LinkEnded> | undefined;

  /** Whether `takeUnsafe` would answer. */
  protected abstract readonly hasNext: boolean;

  get link(): object {
    return this;
  }

  wakes(signal: Signal): Effect.Effect<void> {
    return Effect.sync(() => this.wakesUnsafe(signal));
  }

  wakesUnsafe(signal: Signal): void {
    this.#signal = signal;
    if (this.hasNext) signal.notify();
  }

  /** To be called when there is something to take that was not there before. */
  protected wakeReader(): void {
    if (this.#reader !== undefined) this.#queue?.push(this);
    this.#signal?.notify();
  }

  protected get readerBlocks(): number {
    return this.#blocks;
  }

  protected get readerBlockedNanos(): number {
    return this.#blockedNanos + (this.#reader === undefined ? 0 : this.now() - this.#since);
  }

  protected now(): number {
    return Number(this.#clock.monotonicTimeNanosUnsafe());
  }

  runWake(): void {
    const reader = this.#reader;
    // Interrupted since. Another reader that waits now looks once too often, and waits again.
    if (reader === undefined) return;
    this.#unpark();
    reader(this.take);
  }

  /** Makes the fiber behind `resume` wait for the next item. Answers with what an interruption has to undo. */
  park(scheduler: Scheduler.Scheduler, resume: Resume<A, E>): Effect.Effect<void> {
    if (this.#reader !== undefined) {
      resume(Effect.die(new Error(`${this.name}: two fibers read one link`)));
      return Effect.void;
    }
    this.#reader = resume;
    this.#queue = runQueueOf(scheduler);
    this.#since = this.now();
    this.#blocks++;
    // Between the look that found nothing and this step the fiber may have yielded.
    if (this.hasNext) this.#queue.push(this);
    return Effect.sync(() => {
      if (this.#reader === resume) this.#unpark();
    });
  }

  #unpark(): void {
    this.#reader = undefined;
    this.#blockedNanos += this.now() - this.#since;
  }
}

/** `Effect.callback` hands the fiber's scheduler over as `this`, hence a `function`. */
const parkOn = <A, E>(inlet: Inlet<A, E>) =>
  function (this: Scheduler.Scheduler, resume: Resume<A, E>): Effect.Effect<void> {
    return inlet.park(this, resume);
  };
