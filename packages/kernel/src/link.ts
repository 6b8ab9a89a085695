import { Clock, Context, Effect, Exit, type Scheduler, Scope } from "effect";
import { type RunQueue, runQueueOf, type Wakeable } from "./run-queue.ts";
import type { Signal } from "./signal.ts";

/**
 * The reading end's answer when a link has nothing more to give. A plain value and no `Error`: a clean end is not a fault,
 * and needs no stack.
 */
export class LinkEnded {
  readonly _tag = "LinkEnded";
  /** The link's name. */
  readonly link: string;
  /** True after `writer.end`: all that was accepted has been taken. False when the link was released with its scope. */
  readonly clean: boolean;

  constructor(link: string, clean: boolean) {
    this.link = link;
    this.clean = clean;
  }
}

/** The writing end's answer to an `offer` after the link's end, by whichever side. The item was not accepted. */
export class LinkClosed {
  readonly _tag = "LinkClosed";
  /** The link's name. */
  readonly link: string;
  /** What closed it: the writer's `end` or `fail`, the reader's `close`, or the release of the scope it was made in. */
  readonly by: "end" | "fail" | "reader" | "release";

  constructor(link: string, by: "end" | "fail" | "reader" | "release") {
    this.link = link;
    this.by = by;
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

/** The writing end. Several fibers may write; those that wait are served in their order. */
export interface LinkWriter<in A, in E = never> extends LinkEnd {
  /**
   * Hands an item over, and suspends while the link is full. Returns once the link has accepted it: from then on it is
   * delivered unless the link is released. After the end it fails with `LinkClosed`, a failure and not a `false`, so that a
   * writer that does not care ends instead of spinning. Interrupting an `offer` that waits takes its item back.
   */
  readonly offer: (item: A) => Effect.Effect<void, LinkClosed>;
  /** Hands an item over if that is possible without waiting; else `false`, and nothing has happened. For hot paths. */
  readonly offerUnsafe: (item: A) => boolean;
  /** Ends the link cleanly. What was accepted, and what waits to be, is still delivered; then the reader meets `LinkEnded`. */
  readonly end: Effect.Effect<void>;
  /** As `end`, but the reader then meets `error` in place of `LinkEnded`. */
  readonly fail: (error: E) => Effect.Effect<void>;
  /** Whether an `offer` would fail. */
  readonly isClosed: boolean;
}

/** The reading end. One fiber reads at a time: a second one that waits is a defect. */
export interface LinkReader<out A, out E = never> extends LinkEnd {
  /** Takes the next item, and suspends while there is none. Fails when the link has ended and all was taken. */
  readonly take: Effect.Effect<A, E | LinkEnded>;
  /** The next item or the end, if `take` would not wait; else `undefined`. For hot paths and for reading several links. */
  readonly takeUnsafe: () => Exit.Exit<A, E | LinkEnded> | undefined;
  /**
   * Notifies `signal` whenever there is something to take (an item, the end), at once if there is already. A reactor that
   * reads several links lets them all wake one signal, and after each wake asks every `takeUnsafe` until it is `undefined`.
   */
  readonly wakes: (signal: Signal) => Effect.Effect<void>;
  /** Takes no more: what the link holds is dropped, writers meet `LinkClosed`, and this end meets `LinkEnded`. */
  readonly close: Effect.Effect<void>;
}

/**
 * A named, typed queue of capacity one between two reactors: the only way a message crosses from one to another.
 *
 * Capacity one means that a reactor that does not read stops the one that writes to it: there is no hidden buffer in which
 * bytes pile up. Buffers are for the edges, where each has an owner and a bound.
 *
 * Gotcha: links must form no ring in which each reactor emits more than it takes. Two such reactors stand still for ever.
 */
export interface Link<in out A, in out E = never> {
  readonly name: string;
  readonly writer: LinkWriter<A, E>;
  readonly reader: LinkReader<A, E>;
}

const EMPTY = Symbol("empty");

/** An `offer` that waits for the link to have room. */
interface ParkedOffer<A> {
  readonly item: A;
  readonly resume: (effect: Effect.Effect<void, LinkClosed>) => void;
  readonly since: number;
  next: ParkedOffer<A> | undefined;
}

/**
 * Both ends and the link are one object: an idle link is a few hundred bytes, and a circuit has several of them.
 *
 * A parked `offer` is resumed on the spot when its item moves into the slot, so that accepting and returning are one step and
 * an interruption cannot fall between them. A reader is resumed through the run queue, and takes the item when it runs.
 */
export class LinkImpl<in out A, in out E> implements Link<A, E>, LinkWriter<A, E>, LinkReader<A, E>, Wakeable {
  readonly name: string;
  readonly take: Effect.Effect<A, E | LinkEnded>;
  readonly #clock: Clock.Clock;
  readonly #park: Effect.Effect<A, E | LinkEnded>;
  #slot: A | typeof EMPTY = EMPTY;
  /** Set by the first end, of whatever kind. */
  #closedBy: LinkClosed["by"] | undefined;
  /** What the reader meets when the slot is empty. Set together with `#closedBy`. */
  #last: Exit.Exit<never, E | LinkEnded> | undefined;
  #firstOffer: ParkedOffer<A> | undefined;
  #lastOffer: ParkedOffer<A> | undefined;
  #reader: ((effect: Effect.Effect<A, E | LinkEnded>) => void) | undefined;
  #readerSince = 0;
  #readerQueue: RunQueue | undefined;
  #signal: Signal | undefined;
  #items = 0;
  #writerBlocks = 0;
  #writerBlockedNanos = 0;
  #readerBlocks = 0;
  #readerBlockedNanos = 0;

  constructor(name: string, clock: Clock.Clock) {
    this.name = name;
    this.#clock = clock;
    this.#park = Effect.callback<A, E | LinkEnded>(parkReaderOn(this));
    this.take = Effect.suspend(() => this.takeUnsafe() ?? this.#park);
  }

  get link(): object {
    return this;
  }
  get writer(): LinkWriter<A, E> {
    return this;
  }
  get reader(): LinkReader<A, E> {
    return this;
  }
  get isClosed(): boolean {
    return this.#closedBy !== undefined;
  }

  offer(item: A): Effect.Effect<void, LinkClosed> {
    return Effect.suspend(() => (this.offerUnsafe(item) ? Exit.void : this.#parkOffer(item)));
  }

  offerUnsafe(item: A): boolean {
    // A parked offer implies a full slot, so nobody is overtaken here.
    if (this.#slot !== EMPTY || this.#closedBy !== undefined) return false;
    this.#slot = item;
    this.#items++;
    this.#wakeReader();
    return true;
  }

  takeUnsafe(): Exit.Exit<A, E | LinkEnded> | undefined {
    const item = this.#slot;
    if (item === EMPTY) return this.#last;
    const parked = this.#firstOffer;
    if (parked === undefined) {
      this.#slot = EMPTY;
      if (this.#last !== undefined) this.#signal?.notify();
      return Exit.succeed(item);
    }
    this.#slot = parked.item;
    this.#items++;
    this.#unlinkFirst(parked);
    this.#signal?.notify();
    parked.resume(Exit.void);
    return Exit.succeed(item);
  }

  get end(): Effect.Effect<void> {
    return Effect.sync(() => this.closeUnsafe("end"));
  }

  fail(error: E): Effect.Effect<void> {
    return Effect.sync(() => this.closeUnsafe("fail", Exit.fail(error)));
  }

  get close(): Effect.Effect<void> {
    return Effect.sync(() => this.closeUnsafe("reader"));
  }

  wakes(signal: Signal): Effect.Effect<void> {
    return Effect.sync(() => {
      this.#signal = signal;
      if (this.#slot !== EMPTY || this.#last !== undefined) signal.notify();
    });
  }

  /**
   * Closes the link; only the first close counts, except that a release always drops what the link still holds.
   * `end` and `fail` let the items drain; `reader` and `release` drop them and turn parked offers away.
   */
  closeUnsafe(by: LinkClosed["by"], last?: Exit.Exit<never, E>): void {
    const drains = by === "end" || by === "fail";
    if (this.#closedBy === undefined) {
      this.#closedBy = by;
      this.#last = last ?? Exit.fail(new LinkEnded(this.name, by === "end"));
    } else if (drains) return;
    if (!drains) this.#drop();
    if (this.#slot === EMPTY) this.#wakeReader();
  }

  counters(): LinkCounters {
    const now = this.#now();
    let waiting = 0;
    for (let offer = this.#firstOffer; offer !== undefined; offer = offer.next) waiting += now - offer.since;
    return {
      items: this.#items,
      writerBlocks: this.#writerBlocks,
      writerBlockedNanos: this.#writerBlockedNanos + waiting,
      readerBlocks: this.#readerBlocks,
      readerBlockedNanos: this.#readerBlockedNanos + (this.#reader === undefined ? 0 : now - this.#readerSince),
    };
  }

  runWake(): void {
    const reader = this.#reader;
    // Interrupted since, or the item went to a `takeUnsafe`.
    if (reader === undefined || (this.#slot === EMPTY && this.#last === undefined)) return;
    this.#unparkReader();
    reader(this.take);
  }

  parkReader(scheduler: Scheduler.Scheduler, resume: (effect: Effect.Effect<A, E | LinkEnded>) => void) {
    if (this.#reader !== undefined) {
      resume(Effect.die(new Error(`Link ${this.name}: two fibers read one link`)));
      return Effect.void;
    }
    const ready = this.takeUnsafe();
    if (ready !== undefined) {
      resume(ready);
      return Effect.void;
    }
    this.#reader = resume;
    this.#readerQueue = runQueueOf(scheduler);
    this.#readerSince = this.#now();
    this.#readerBlocks++;
    return Effect.sync(() => {
      if (this.#reader === resume) this.#unparkReader();
    });
  }

  #unparkReader(): void {
    this.#reader = undefined;
    this.#readerBlockedNanos += this.#now() - this.#readerSince;
  }

  #wakeReader(): void {
    if (this.#reader !== undefined) this.#readerQueue?.push(this);
    this.#signal?.notify();
  }

  #parkOffer(item: A): Effect.Effect<void, LinkClosed> {
    return Effect.callback<void, LinkClosed>((resume) => {
      const closedBy = this.#closedBy;
      if (closedBy !== undefined) return resume(Exit.fail(new LinkClosed(this.name, closedBy)));
      if (this.offerUnsafe(item)) return resume(Exit.void);
      const parked: ParkedOffer<A> = { item, resume, since: this.#now(), next: undefined };
      this.#writerBlocks++;
      if (this.#lastOffer === undefined) this.#firstOffer = parked;
      else this.#lastOffer.next = parked;
      this.#lastOffer = parked;
      return Effect.sync(() => this.#unlink(parked));
    });
  }

  #unlinkFirst(parked: ParkedOffer<A>): void {
    this.#firstOffer = parked.next;
    if (parked.next === undefined) this.#lastOffer = undefined;
    this.#writerBlockedNanos += this.#now() - parked.since;
  }

  #unlink(parked: ParkedOffer<A>): void {
    if (this.#firstOffer === parked) {
      this.#unlinkFirst(parked);
      return;
    }
    let before = this.#firstOffer;
    while (before !== undefined && before.next !== parked) before = before.next;
    if (before === undefined) return;
    before.next = parked.next;
    if (this.#lastOffer === parked) this.#lastOffer = before;
    this.#writerBlockedNanos += this.#now() - parked.since;
  }

  #drop(): void {
    this.#slot = EMPTY;
    let parked = this.#firstOffer;
    this.#firstOffer = undefined;
    this.#lastOffer = undefined;
    while (parked !== undefined) {
      const next = parked.next;
      this.#writerBlockedNanos += this.#now() - parked.since;
      parked.resume(Exit.fail(new LinkClosed(this.name, this.#closedBy ?? "release")));
      parked = next;
    }
  }

  #now(): number {
    return Number(this.#clock.monotonicTimeNanosUnsafe());
  }
}

/** `Effect.callback` hands the fiber's scheduler over as `this`, hence a `function`. */
const parkReaderOn = <A, E>(link: LinkImpl<A, E>) =>
  function (this: Scheduler.Scheduler, resume: (effect: Effect.Effect<A, E | LinkEnded>) => void) {
    return link.parkReader(this, resume);
  };

export const Link = {
  /**
   * A link that lives as long as the surrounding scope: its release drops what the link holds, and both ends learn of it.
   * Inside a reactor group use `group.link`, which does the same with less.
   */
  make: <A, E = never>(name: string): Effect.Effect<Link<A, E>, never, Scope.Scope> =>
    Effect.contextWith((context: Context.Context<Scope.Scope>) => {
      const link = new LinkImpl<A, E>(name, Context.get(context, Clock.Clock));
      return Effect.as(
        Scope.addFinalizer(
          Context.get(context, Scope.Scope),
          Effect.sync(() => link.closeUnsafe("release")),
        ),
        link,
      );
    }),
};
