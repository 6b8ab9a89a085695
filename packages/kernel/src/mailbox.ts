import { Clock, Context, Effect, Exit, Scope } from "effect";
import { Inlet, type LinkCounters, LinkEnded, type LinkReader } from "./inlet.ts";

/** A never-drop command could not be queued. The sender has to act on it, or correctness is lost. */
export class Undeliverable<out C = unknown> {
  readonly _tag = "Undeliverable";
  readonly mailbox: string;
  readonly command: C;
  readonly reason: "full" | "closed";

  constructor(mailbox: string, command: C, reason: "full" | "closed") {
    this.mailbox = mailbox;
    this.command = command;
    this.reason = reason;
  }
}

/** A command is told from the others by its `_tag`. */
export interface Command {
  readonly _tag: string;
}

/** What happens to a kind of command when the mailbox is full. Made by `Mailbox.coalesce`, `Mailbox.drop`, `Mailbox.neverDrop`. */
export type MailboxPolicy<C> = Coalesce<C> | Drop | NeverDrop;

interface Coalesce<in C> {
  readonly policy: "coalesce";
  /** Commands of the same kind and key replace each other. Without it all of the kind do. */
  readonly keyOf: ((command: C) => unknown) | undefined;
}

interface Drop {
  readonly policy: "drop";
}

interface NeverDrop {
  readonly policy: "never-drop";
}

/** A policy for every kind of command: one that is forgotten does not compile. */
export type MailboxPolicies<C extends Command> = { readonly [K in C["_tag"]]: MailboxPolicy<Extract<C, { _tag: K }>> };

/** What became of a command. */
export type Sent = "queued" | "coalesced" | "dropped";

/** How a `send` of this kind can fail: only when it must never be dropped. */
export type SendError<C extends Command, P, K extends C["_tag"]> = K extends keyof P
  ? P[K] extends NeverDrop
    ? Undeliverable<Extract<C, { _tag: K }>>
    : never
  : never;

/** What has become of the commands of one kind. */
export interface MailboxCounters {
  readonly queued: number;
  readonly coalesced: number;
  readonly dropped: number;
  readonly undeliverable: number;
}

/**
 * A bounded queue of commands for one owner, in which each kind of command says what happens when it is full.
 *
 * A mailbox is a buffer at an edge: senders never wait, so one that is slow cannot stop a reactor that has many of them.
 * Commands are taken in the order they came in; one that was coalesced keeps the place of the one it replaced.
 */
export interface Mailbox<in out C extends Command, P extends MailboxPolicies<C>> {
  readonly name: string;
  /** The owner's end. Has the shape of a link's, so a reactor reads it through a port. */
  readonly reader: LinkReader<C>;
  /**
   * Sends a command, without ever waiting. Fails with `Undeliverable` for a never-drop kind when the mailbox is full or closed;
   * other kinds are then `"dropped"`, and counted.
   */
  readonly send: <K extends C["_tag"]>(command: Extract<C, { _tag: K }>) => Effect.Effect<Sent, SendError<C, P, K>>;
  /** As `send`, from a callback: an undeliverable command answers `"undeliverable"`. */
  readonly sendUnsafe: (command: C) => Sent | "undeliverable";
  /** How many commands wait. */
  readonly size: number;
  /** What has become of the commands so far, by kind. */
  readonly counters: () => { readonly [K in C["_tag"]]: MailboxCounters };
}

/** How a mailbox is made. */
export interface MailboxOptions<P> {
  readonly name: string;
  /** How many commands it holds. Kinds that coalesce without a key have one place each beside it. */
  readonly capacity: number;
  readonly policies: P;
}

interface Kind<C> {
  readonly policy: MailboxPolicy<C>;
  /** Waiting commands of a kind that coalesces, by key. */
  readonly waiting: Map<unknown, Letter<C>> | undefined;
  queued: number;
  coalesced: number;
  dropped: number;
  undeliverable: number;
}

/** A waiting command. It is replaced in place when a newer one takes its place. */
interface Letter<C> {
  command: C;
  readonly kind: Kind<C>;
  readonly key: unknown;
  /** Whether it takes one of the places that `capacity` counts. */
  readonly counted: boolean;
  next: Letter<C> | undefined;
}

class MailboxImpl<in out C extends Command, P extends MailboxPolicies<C>>
  extends Inlet<C, never>
  implements Mailbox<C, P>
{
  readonly #kinds = new Map<string, Kind<C>>();
  readonly #capacity: number;
  #first: Letter<C> | undefined;
  #last: Letter<C> | undefined;
  #counted = 0;
  #taken = 0;
  #end: Exit.Exit<never, LinkEnded> | undefined;
  size = 0;

  constructor(options: MailboxOptions<P>, clock: Clock.Clock) {
    super(options.name, clock);
    this.#capacity = options.capacity;
    for (const [tag, policy] of Object.entries<MailboxPolicy<never>>(options.policies)) {
      this.#kinds.set(tag, {
        policy: policy as MailboxPolicy<C>,
        waiting: policy.policy === "coalesce" ? new Map() : undefined,
        queued: 0,
        coalesced: 0,
        dropped: 0,
        undeliverable: 0,
      });
    }
  }

  get reader(): LinkReader<C> {
    return this.#reader;
  }

  /** The same object for every caller, since a link's end is told by its identity. */
  readonly #reader: LinkReader<C> = {
    name: this.name,
    link: this,
    take: this.take,
    takeUnsafe: () => this.takeUnsafe(),
    wakes: (signal) => this.wakes(signal),
    wakesUnsafe: (signal) => this.wakesUnsafe(signal),
    close: Effect.sync(() => this.closeUnsafe()),
    counters: () => this.linkCounters(),
  };

  readonly send = <K extends C["_tag"]>(command: Extract<C, { _tag: K }>): Effect.Effect<Sent, SendError<C, P, K>> =>
    Effect.suspend((): Effect.Effect<Sent, SendError<C, P, K>> => {
      const sent = this.sendUnsafe(command);
      if (sent !== "undeliverable") return Exit.succeed(sent);
      const reason = this.#end === undefined ? "full" : "closed";
      return Exit.fail(new Undeliverable(this.name, command, reason) as SendError<C, P, K>);
    });

  readonly sendUnsafe = (command: C): Sent | "undeliverable" => {
    const kind = this.#kinds.get(command._tag);
    if (kind === undefined) throw new Error(`${this.name}: no policy for ${command._tag}`);
    const { policy, waiting } = kind;
    const keyOf = policy.policy === "coalesce" ? policy.keyOf : undefined;
    const key = keyOf?.(command);
    if (this.#end === undefined) {
      const older = waiting?.get(key);
      if (older !== undefined) {
        older.command = command;
        kind.coalesced++;
        return "coalesced";
      }
      // A kind that coalesces without a key never has more than one command waiting, so its place is always there.
      const counted = waiting === undefined || keyOf !== undefined;
      if (!counted || this.#counted < this.#capacity) {
        this.#append({ command, kind, key, counted, next: undefined });
        kind.queued++;
        return "queued";
      }
    }
    if (policy.policy === "never-drop") {
      kind.undeliverable++;
      return "undeliverable";
    }
    kind.dropped++;
    return "dropped";
  };

  counters(): { readonly [K in C["_tag"]]: MailboxCounters } {
    const counters: Record<string, MailboxCounters> = {};
    for (const [tag, { queued, coalesced, dropped, undeliverable }] of this.#kinds) {
      counters[tag] = { queued, coalesced, dropped, undeliverable };
    }
    return counters as { readonly [K in C["_tag"]]: MailboxCounters };
  }

  linkCounters(): LinkCounters {
    return {
      items: this.#taken + this.size,
      writerBlocks: 0,
      writerBlockedNanos: 0,
      readerBlocks: this.readerBlocks,
      readerBlockedNanos: this.readerBlockedNanos,
    };
  }

  override takeUnsafe(): Exit.Exit<C, LinkEnded> | undefined {
    const letter = this.#first;
    if (letter === undefined) return this.#end;
    this.#first = letter.next;
    if (letter.next === undefined) this.#last = undefined;
    this.size--;
    this.#taken++;
    if (letter.counted) this.#counted--;
    letter.kind.waiting?.delete(letter.key);
    return Exit.succeed(letter.command);
  }

  closeUnsafe(): void {
    this.#end = Exit.fail(new LinkEnded(this.name, false));
    this.#first = undefined;
    this.#last = undefined;
    this.size = 0;
    this.wakeReader();
  }

  protected override get hasNext(): boolean {
    return this.#first !== undefined || this.#end !== undefined;
  }

  #append(letter: Letter<C>): void {
    if (this.#last === undefined) this.#first = letter;
    else this.#last.next = letter;
    this.#last = letter;
    letter.kind.waiting?.set(letter.key, letter);
    this.size++;
    if (letter.counted) this.#counted++;
    this.wakeReader();
  }
}

export const Mailbox = {
  /**
   * For commands of which only the newest counts. Without a key one place is kept for the kind, so it is always delivered.
   * With a key, the newest of each key is kept; a key that has none waiting needs a free place, and is dropped without one.
   */
  coalesce: <C = unknown>(keyOf?: (command: C) => unknown): Coalesce<C> => ({ policy: "coalesce", keyOf }),

  /** For commands that may be lost: when the mailbox is full they are dropped and counted. */
  drop: { policy: "drop" } as Drop,

  /** For commands that correctness hangs on: when the mailbox is full the sender learns it. */
  neverDrop: { policy: "never-drop" } as NeverDrop,

  /**
   * A mailbox that lives as long as the surrounding scope.
   *
   * @example
   * type PeerCommand = { _tag: "Wake" } | { _tag: "Advertise"; height: number } | { _tag: "Answer"; bytes: Uint8Array };
   * const mailbox = yield* Mailbox.make<PeerCommand>()({
   *   name: "peer",
   *   capacity: 256,
   *   policies: { Wake: Mailbox.coalesce(), Advertise: Mailbox.drop, Answer: Mailbox.neverDrop },
   * });
   */
  make:
    <C extends Command>() =>
    <const P extends MailboxPolicies<C>>(
      options: MailboxOptions<P>,
    ): Effect.Effect<Mailbox<C, P>, never, Scope.Scope> =>
      Effect.contextWith((context: Context.Context<Scope.Scope>) => {
        const mailbox = new MailboxImpl<C, P>(options, Context.get(context, Clock.Clock));
        const release = Effect.sync(() => mailbox.closeUnsafe());
        return Effect.as(Scope.addFinalizer(Context.get(context, Scope.Scope), release), mailbox);
      }),
};
