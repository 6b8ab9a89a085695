import { Clock, Context, Effect, Exit, Scope } from "effect";
import { Inlet, type LinkCounters, type LinkEnd, LinkEnded, type LinkReader } from "./inlet.ts";
import type { Signal } from "./signal.ts";

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

/**
 * The writing end. Several fibers may write; those that wait are served in their order.
 *
 * `offer` and `fail` may be handed over by themselves (`Effect.forEach(items, writer.offer)`); the others are called on the end.
 */
export interface LinkWriter<in A, in E = never> extends LinkEnd {
  /**
   * Hands an item over, and suspends while the link is full. Returns once the link has accepted it: from then on it is
   * delivered unless the link is released. After the end it fails with `LinkClosed`, a failure and not a `false`, so that a
   * writer that does not care ends instead of spinning. Interrupting an `offer` that waits takes its item back.
   */
  readonly offer: (item: A) => Effect.Effect<void, LinkClosed>;
  /** Hands an item over if that is possible without waiting; else `false`, and nothing has happened. For hot paths. */
  readonly offerUnsafe: (item: A) => boolean;
  /**
   * Whether there is no room. If so, the writer counts as waiting until there is, and then `signal` is notified, once. For a reactor in turns;
   * others may `offer` beside it, but only one may ask.
   */
  waitsForRoom(signal: Signal): boolean;
  /** Ends the link cleanly. What was accepted, and what waits to be, is still delivered; then the reader meets `LinkEnded`. */
  readonly end: Effect.Effect<void>;
  /** As `end`, but the reader then meets `error` in place of `LinkEnded`. */
  readonly fail: (error: E) => Effect.Effect<void>;
  /** Whether an `offer` would fail. */
  readonly isClosed: boolean;
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
 * Both ends and the link are one object: an idle link is about half a kilobyte, and there are thousands of them.
 *
 * A parked `offer` is resumed on the spot when its item moves into the slot, so that accepting and returning are one step and
 * an interruption cannot fall between them. A parked offer implies a full slot.
 */
export class LinkImpl<in out A, in out E>
  extends Inlet<A, E>
  implements Link<A, E>, LinkWriter<A, E>, LinkReader<A, E>
{
  #slot: A | typeof EMPTY = EMPTY;
  /** Set by the first end, of whatever kind. */
  #closedBy: LinkClosed["by"] | undefined;
  /** What the reader meets when the slot is empty. Set together with `#closedBy`. */
  #last: Exit.Exit<never, E | LinkEnded> | undefined;
  /** The signal of a reactor that waits for room, and since when it does. */
  #room: Signal | undefined;
  #roomSince = 0;
  #firstOffer: ParkedOffer<A> | undefined;
  #lastOffer: ParkedOffer<A> | undefined;
  #items = 0;
  #writerBlocks = 0;
  #writerBlockedNanos = 0;
  /** Made when they are first asked for: they may be handed over by themselves. */
  #offer: LinkWriter<A, E>["offer"] | undefined;
  #fail: LinkWriter<A, E>["fail"] | undefined;

  get writer(): LinkWriter<A, E> {
    return this;
  }

  get reader(): LinkReader<A, E> {
    return this;
  }

  get isClosed(): boolean {
    return this.#closedBy !== undefined;
  }

  waitsForRoom(signal: Signal): boolean {
    if (this.#slot === EMPTY && this.#closedBy === undefined) return false;
    if (this.#room === undefined) {
      this.#roomSince = this.now();
      this.#writerBlocks++;
    }
    this.#room = signal;
    return true;
  }

  protected override get hasNext(): boolean {
    return this.#slot !== EMPTY || this.#last !== undefined;
  }

  get offer(): (item: A) => Effect.Effect<void, LinkClosed> {
    this.#offer ??= (item) => Effect.suspend(() => (this.offerUnsafe(item) ? Exit.void : this.#parkOffer(item)));
    return this.#offer;
  }

  offerUnsafe(item: A): boolean {
    if (this.#slot !== EMPTY || this.#closedBy !== undefined) return false;
    this.#slot = item;
    this.#items++;
    this.wakeReader();
    return true;
  }

  override takeUnsafe(): Exit.Exit<A, E | LinkEnded> | undefined {
    const item = this.#slot;
    if (item === EMPTY) return this.#last;
    const parked = this.#firstOffer;
    if (parked === undefined) {
      this.#slot = EMPTY;
      this.#wakeWriter();
      if (this.#last !== undefined) this.wakeReader();
    } else {
      this.#slot = parked.item;
      this.#items++;
      this.#unlink(parked);
      this.wakeReader();
      parked.resume(Exit.void);
    }
    return Exit.succeed(item);
  }

  get end(): Effect.Effect<void> {
    return Effect.sync(() => this.closeUnsafe("end"));
  }

  get fail(): (error: E) => Effect.Effect<void> {
    this.#fail ??= (error) => Effect.sync(() => this.closeUnsafe("fail", Exit.fail(error)));
    return this.#fail;
  }

  get close(): Effect.Effect<void> {
    return Effect.sync(() => this.closeUnsafe("reader"));
  }

  /**
   * Closes the link. `end` and `fail` let what it holds be taken first, and count only once; `reader` and `release` drop it
   * and turn waiting offers away, even after an `end`.
   */
  closeUnsafe(by: LinkClosed["by"], last?: Exit.Exit<never, E>): void {
    const drops = by === "reader" || by === "release";
    const holds = this.#slot !== EMPTY;
    if (this.#closedBy !== undefined && !(drops && holds)) return;
    this.#closedBy ??= by;
    if (drops || this.#last === undefined) this.#last = last ?? Exit.fail(new LinkEnded(this.name, by === "end"));
    if (drops) this.#drop(by);
    if (this.#slot === EMPTY) this.wakeReader();
  }

  counters(): LinkCounters {
    const now = this.now();
    let waiting = this.#room === undefined ? 0 : now - this.#roomSince;
    for (let offer = this.#firstOffer; offer !== undefined; offer = offer.next) waiting += now - offer.since;
    return {
      items: this.#items,
      writerBlocks: this.#writerBlocks,
      writerBlockedNanos: this.#writerBlockedNanos + waiting,
      readerBlocks: this.readerBlocks,
      readerBlockedNanos: this.readerBlockedNanos,
    };
  }

  #parkOffer(item: A): Effect.Effect<void, LinkClosed> {
    return Effect.callback<void, LinkClosed>((resume) => {
      if (this.#closedBy !== undefined) {
        resume(Exit.fail(new LinkClosed(this.name, this.#closedBy)));
        return;
      }
      if (this.offerUnsafe(item)) {
        resume(Exit.void);
        return;
      }
      const parked: ParkedOffer<A> = { item, resume, since: this.now(), next: undefined };
      this.#writerBlocks++;
      if (this.#lastOffer === undefined) this.#firstOffer = parked;
      else this.#lastOffer.next = parked;
      this.#lastOffer = parked;
      return Effect.sync(() => this.#unlink(parked));
    });
  }

  #wakeWriter(): void {
    const room = this.#room;
    if (room === undefined) return;
    this.#room = undefined;
    this.#writerBlockedNanos += this.now() - this.#roomSince;
    room.notify();
  }

  #unlink(parked: ParkedOffer<A>): void {
    let before: ParkedOffer<A> | undefined;
    let at = this.#firstOffer;
    while (at !== undefined && at !== parked) {
      before = at;
      at = at.next;
    }
    if (at === undefined) return;
    if (before === undefined) this.#firstOffer = parked.next;
    else before.next = parked.next;
    if (this.#lastOffer === parked) this.#lastOffer = before;
    this.#writerBlockedNanos += this.now() - parked.since;
  }

  #drop(by: LinkClosed["by"]): void {
    this.#slot = EMPTY;
    for (let parked = this.#firstOffer; parked !== undefined; parked = this.#firstOffer) {
      this.#unlink(parked);
      parked.resume(Exit.fail(new LinkClosed(this.name, by)));
    }
  }
}

export const Link = {
  /**
   * A link that lives as long as the surrounding scope: its release drops what the link holds, and both ends learn of it.
   * Inside a reactor group use `group.link`, which does the same with less.
   */
  make: <A, E = never>(name: string): Effect.Effect<Link<A, E>, never, Scope.Scope> =>
    Effect.contextWith((context: Context.Context<Scope.Scope>) => {
      const link = new LinkImpl<A, E>(name, Context.get(context, Clock.Clock));
      const release = Effect.sync(() => link.closeUnsafe("release"));
      return Effect.as(Scope.addFinalizer(Context.get(context, Scope.Scope), release), link);
    }),
};
