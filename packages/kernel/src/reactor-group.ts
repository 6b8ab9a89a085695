import { Cause, Context, Deferred, type Duration, Effect, Exit, type Fiber, Scope } from "effect";
import { GroupHome } from "./group-home.ts";
import type { LinkEnd, LinkEnded } from "./inlet.ts";
import { type Link, type LinkClosed, LinkImpl } from "./link.ts";
import { LivingMember, type Member, type MemberHost, TurningMember } from "./member.ts";
import type { Turns, WiredReactor } from "./reactor.ts";
import { Release } from "./release.ts";
import { runQueueOf, type Wakes } from "./run-queue.ts";
import { callOnNotify } from "./signal.ts";
import type { GroupSnapshot, PortSnapshot } from "./snapshot.ts";
import { TEARDOWN_DEADLINE } from "./timeouts.ts";
import type { LinkIdOf } from "./topology.ts";

/** What a reactor of a group may fail with: the group's own errors, and a link's end that it did not handle. */
export type ReactorError<E> = E | LinkEnded | LinkClosed;

/** What ended a group: the first thing that happened. All that follows from it is not a cause. */
export type GroupCause<E = never, Reason = string> =
  /** A reactor ended, by success, failure, defect or an interruption that was not the group's own. */
  | { readonly _tag: "ReactorEnded"; readonly reactor: string; readonly exit: Exit.Exit<unknown, ReactorError<E>> }
  /** Somebody who holds the group asked it to stop. */
  | { readonly _tag: "Stopped"; readonly reason: Reason }
  /** The scope that the group was made in was closed. */
  | { readonly _tag: "ScopeClosed"; readonly exit: Exit.Exit<unknown, unknown> };

/** How a group ended, told once its teardown is over. */
export interface GroupEnd<E = never, Reason = string> {
  readonly group: string;
  readonly cause: GroupCause<E, Reason>;
  /** Reactors that had not ended at the teardown deadline. Empty unless a reactor hangs in an uninterruptible region. */
  readonly overdue: ReadonlyArray<string>;
  /** How many releases had not finished at the teardown deadline. They were started, and are no longer waited for. */
  readonly overdueReleases: number;
  /** What failed while releasing. It neither stops the other releases nor takes the place of `cause`. */
  readonly releaseFailures: ReadonlyArray<Cause.Cause<unknown>>;
}

/** A reactor was started in a group that is being torn down, or has been. */
export class GroupClosed {
  readonly _tag = "GroupClosed";
  readonly group: string;

  constructor(group: string) {
    this.group = group;
  }
}

/**
 * Reactors that share one fate and one scope. When any of them ends, for whatever reason, all end and all is released: once,
 * within the teardown deadline, keeping the first cause.
 *
 * Teardown, in order: no reactor can be started any more; the reactors are interrupted, the last started first; the group's
 * links close; when all reactors have ended, what was acquired in the group's scope is released, the last acquired first; the
 * group leaves the topology; `ended` is told. At the deadline nothing is waited for any more: what has not been released is
 * started to be released at once, and what is late is named in `GroupEnd`.
 */
export interface ReactorGroup<in out E = never, in out Reason = string> {
  readonly name: string;
  /**
   * Closed at teardown, after the reactors have ended. A reactor that requires a `Scope` is given this one. Made when it is first
   * asked for.
   */
  readonly scope: Scope.Scope;
  /** A link that is released with the group. */
  link<A, LE = never>(name: string): Link<A, LE>;
  /**
   * Starts a reactor, now or at any time while the group runs. It runs at once, until it first waits; a reactor in turns runs
   * as soon as it has something to do. May be handed over by itself.
   */
  readonly start: <R>(reactor: WiredReactor<ReactorError<E>, R>) => Effect.Effect<void, GroupClosed, R>;
  /** As `start`, of a reactor in turns, without an effect. False if the group is ending. */
  startTurns(reactor: WiredReactor<ReactorError<E>>): boolean;
  /** Ends the group and waits until it is torn down. If it is ending already, the earlier cause stays. */
  readonly stop: (reason: Reason) => Effect.Effect<GroupEnd<E, Reason>>;
  /** As `stop`, from a callback and without waiting. */
  stopUnsafe(reason: Reason): void;
  /** Waits until the group has ended and is torn down. */
  readonly ended: Effect.Effect<GroupEnd<E, Reason>>;
  /** What has ended the group, as soon as it has, even if the teardown still lasts. */
  readonly cause: GroupCause<E, Reason> | undefined;
}

/** How a group is made. */
export interface ReactorGroupOptions {
  readonly name: string;
  /** @default TEARDOWN_DEADLINE (5 seconds) */
  readonly teardownDeadline?: Duration.Input;
  /**
   * The last thing that is released: called once, after what the group's scope holds. `cause` of the group says why. What it throws
   * is kept as a failed release.
   */
  readonly onRelease?: () => void;
}

/**
 * Where many groups are made: what they have in common is looked up once, and no effect is needed to make one. They end at the
 * latest when the surrounding scope closes, which waits for them all.
 */
export interface GroupHost {
  /** A running group without reactors. */
  make<E = never, Reason = string>(options: ReactorGroupOptions): ReactorGroup<E, Reason>;
}

/** Few words and no closures, as long as nobody asks for a scope or waits for the end: there is one for each circuit. */
class GroupImpl<in out E, in out Reason> implements ReactorGroup<E, Reason>, MemberHost {
  readonly kind = "group";
  cause: GroupCause<E, Reason> | undefined = undefined;
  readonly #options: ReactorGroupOptions;
  readonly #home: GroupHome;
  #scope: Scope.Closeable | undefined;
  /** Who waits for the end. */
  #waiting: Deferred.Deferred<GroupEnd<E, Reason>> | undefined;
  #end: GroupEnd<E, Reason> | undefined;
  #lastMember: Member | undefined;
  #links: Array<LinkImpl<never, never>> = NO_LINKS;
  /** The last context that a reactor was started from, and the same with the group's scope: reactors share it. */
  #startedFrom: Context.Context<never> | undefined;
  #reactorContext: Context.Context<never> | undefined;
  #running = 0;
  #interrupting = false;
  #releasing = false;
  #release: Release | undefined;
  #timer: Fiber.Fiber<void> | undefined;
  #overdue: ReadonlyArray<string> = NOBODY;

  constructor(options: ReactorGroupOptions, home: GroupHome) {
    this.#options = options;
    this.#home = home;
    home.enter(this);
    if (home.closed !== undefined) this.scopeClosed(home.closed);
  }

  get name(): string {
    return this.#options.name;
  }

  get scope(): Scope.Scope {
    if (this.#scope === undefined) {
      this.#scope = Scope.makeUnsafe();
      if (this.#releasing) this.#scope.state = { _tag: "Closed", exit: this.#exit };
    }
    return this.#scope;
  }

  link<A, LE = never>(name: string): Link<A, LE> {
    const link = new LinkImpl<A, LE>(name, this.#home.clock);
    if (this.cause !== undefined) link.closeUnsafe("release");
    else if (this.#links === NO_LINKS) this.#links = [link as unknown as LinkImpl<never, never>];
    else this.#links.push(link as unknown as LinkImpl<never, never>);
    return link;
  }

  get start(): ReactorGroup<E, Reason>["start"] {
    return (reactor) =>
      Effect.withFiber((parent) => {
        if (this.cause !== undefined) return Exit.fail(new GroupClosed(this.name));
        if (reactor.turns === undefined) this.#addLiving(reactor as WiredReactor<unknown, never>, parent.context);
        else this.#addTurns(reactor as WiredReactor<unknown, never>, reactor.turns);
        return Exit.void;
      });
  }

  startTurns(reactor: WiredReactor<ReactorError<E>>): boolean {
    if (this.cause !== undefined || reactor.turns === undefined) return false;
    this.#addTurns(reactor, reactor.turns);
    return true;
  }

  get stop(): ReactorGroup<E, Reason>["stop"] {
    return (reason) =>
      Effect.suspend(() => {
        this.stopUnsafe(reason);
        return this.ended;
      });
  }

  stopUnsafe(reason: Reason): void {
    this.#endWith({ _tag: "Stopped", reason });
  }

  /** The scope that the group was made in closes. */
  scopeClosed(exit: Exit.Exit<unknown, unknown>): void {
    this.#endWith({ _tag: "ScopeClosed", exit });
  }

  get ended(): Effect.Effect<GroupEnd<E, Reason>> {
    return Effect.suspend(() => {
      if (this.#end !== undefined) return Exit.succeed(this.#end);
      this.#waiting ??= Deferred.makeUnsafe();
      return Deferred.await(this.#waiting);
    });
  }

  get isEnding(): boolean {
    return this.cause !== undefined;
  }

  fork<A, LE>(effect: Effect.Effect<A, LE>): Fiber.Fiber<A, LE> {
    return this.#home.fork(effect);
  }

  began(): void {
    this.#running++;
  }

  ran(member: Member, exit: Exit.Exit<unknown, unknown>, ended: boolean): void {
    this.#running--;
    if (ended) {
      this.#endWith({
        _tag: "ReactorEnded",
        reactor: member.reactor.name,
        exit: exit as Exit.Exit<unknown, ReactorError<E>>,
      });
    } else if (this.cause !== undefined) this.#releaseWhenDone();
  }

  snapshot(id: number, linkId: LinkIdOf): GroupSnapshot {
    const ports = (reactor: WiredReactor<unknown, never>, names: ReadonlyArray<string>): ReadonlyArray<PortSnapshot> =>
      names.map((port) => ({ port, link: linkId(reactor.wiring[port] as LinkEnd) }));
    return {
      id,
      name: this.name,
      state: this.cause === undefined ? "running" : "ending",
      reactors: this.#living()
        .reverse()
        .map(({ reactor }) => ({
          name: reactor.name,
          reads: ports(reactor, reactor.reads),
          writes: ports(reactor, reactor.writes),
        })),
      links: this.#links.map((link) => linkId(link)),
    };
  }

  #addLiving(reactor: WiredReactor<unknown, never>, context: Context.Context<never>): void {
    const member = new LivingMember(reactor, this.#lastMember);
    this.#lastMember = member;
    // Counted before it runs, since its first steps may end the group, and its teardown has to wait for this reactor too.
    this.began();
    member.started(Effect.runForkWith(this.#contextOf(context))(reactor.run), this);
  }

  #addTurns(reactor: WiredReactor<unknown, never>, turns: Turns<unknown>): void {
    const member = new TurningMember(reactor, turns, this.#lastMember, this);
    this.#lastMember = member;
    callOnNotify(turns.signal, this.#queueOf(turns), member);
  }

  #queueOf({ isLast }: Turns<unknown>): Wakes {
    const queue = runQueueOf(this.#home.scheduler);
    return isLast ? queue.last : queue;
  }

  /** Members that have not ended, the last started first. */
  #living(): Array<Member> {
    const living: Array<Member> = [];
    for (let member = this.#lastMember; member !== undefined; member = member.previous) {
      if (!member.ended) living.push(member);
    }
    return living;
  }

  #contextOf(context: Context.Context<never>): Context.Context<never> {
    if (context !== this.#startedFrom || this.#reactorContext === undefined) {
      this.#startedFrom = context;
      this.#reactorContext = Context.add(context, Scope.Scope, this.scope);
    }
    return this.#reactorContext;
  }

  /** Something ended that ends the group, or one more of its reactors did: the first call begins the teardown. */
  #endWith(cause: GroupCause<E, Reason>): void {
    if (this.cause === undefined) {
      this.cause = cause;
      // Interrupting runs a reactor's own clean-up on the spot, which may come back here: the release waits for all of it.
      this.#interrupting = true;
      for (let member = this.#lastMember; member !== undefined; member = member.previous) {
        const { turns } = member.reactor;
        if (turns !== undefined) callOnNotify(turns.signal, this.#queueOf(turns), undefined);
        member.interrupt();
      }
      for (const link of this.#links) link.closeUnsafe("release");
      this.#interrupting = false;
      if (this.#running > 0) this.#startTimer();
    }
    this.#releaseWhenDone();
  }

  #releaseWhenDone(): void {
    if (this.#running === 0 && !this.#interrupting) this.#startRelease();
  }

  #startTimer(): void {
    if (this.#timer !== undefined) return;
    const deadline = Effect.andThen(
      Effect.sleep(this.#options.teardownDeadline ?? TEARDOWN_DEADLINE),
      Effect.sync(() => this.#deadlinePassed()),
    );
    this.#timer = this.#home.fork(deadline);
  }

  #deadlinePassed(): void {
    this.#overdue = this.#living()
      .reverse()
      .map((member) => member.reactor.name);
    this.#startRelease();
    this.#release?.waitNoLonger();
  }

  get #exit(): Exit.Exit<unknown, unknown> {
    return this.cause === undefined || this.cause._tag === "Stopped" ? Exit.void : this.cause.exit;
  }

  #startRelease(): void {
    if (this.#releasing) return;
    this.#releasing = true;
    if (this.#scope === undefined) return this.#finish();
    this.#release = new Release(this.#scope, this.#exit, this.#home.context, () => this.#finish());
    if (this.#release.run() === "waits") this.#startTimer();
  }

  #finish(): void {
    this.#timer?.interruptUnsafe();
    this.#timer = undefined;
    this.#lastMember = undefined;
    this.#links = NO_LINKS;
    const failed = this.#tellRelease();
    const failures = this.#release?.failures ?? [];
    this.#home.leave(this);
    this.#end = {
      group: this.name,
      cause: this.cause as GroupCause<E, Reason>,
      overdue: this.#overdue,
      overdueReleases: this.#release?.overdue ?? 0,
      releaseFailures: failed === undefined ? failures : [...failures, failed],
    };
    if (this.#waiting !== undefined) Deferred.doneUnsafe(this.#waiting, Exit.succeed(this.#end));
  }

  #tellRelease(): Cause.Cause<unknown> | undefined {
    try {
      this.#options.onRelease?.();
      return undefined;
    } catch (defect) {
      return Cause.die(defect);
    }
  }
}

const NO_LINKS: Array<LinkImpl<never, never>> = [];
const NOBODY: ReadonlyArray<string> = [];

export const ReactorGroup = {
  /** A running group without reactors. It ends at the latest when the surrounding scope closes. */
  make: <E = never, Reason = string>(
    options: ReactorGroupOptions,
  ): Effect.Effect<ReactorGroup<E, Reason>, never, Scope.Scope> =>
    Effect.contextWith((context: Context.Context<Scope.Scope>) => {
      // A child of the scope that the group is made in: closing it is how the group leaves that scope when it ends first.
      const hook = Scope.forkUnsafe(Context.get(context, Scope.Scope));
      const home = new GroupHome(context, () => Scope.closeUnsafe(hook, Exit.void));
      const group = new GroupImpl<E, Reason>(options, home);
      return Effect.as(
        Scope.addFinalizerExit(hook, (exit) => home.close(exit)),
        group,
      );
    }),

  /** Where to make many groups. */
  host: Effect.contextWith((context: Context.Context<Scope.Scope>): Effect.Effect<GroupHost, never, Scope.Scope> => {
    const home = new GroupHome(context);
    const host: GroupHost = { make: (options) => new GroupImpl(options, home) };
    return Effect.as(
      Effect.addFinalizer((exit) => home.close(exit)),
      host,
    );
  }),

  /**
   * Makes a group, lets `setup` make its links and start its reactors, and waits for its end. Never fails by what a reactor
   * does: that is in the `GroupEnd`. If `setup` fails, the group is torn down and
   * `run` fails with it.
   */
  run: <E = never, Reason = string, SE = never, R = never>(
    options: ReactorGroupOptions,
    setup: (group: ReactorGroup<E, Reason>) => Effect.Effect<unknown, SE, R>,
  ): Effect.Effect<GroupEnd<E, Reason>, SE, Exclude<R, Scope.Scope>> =>
    Effect.scoped(
      Effect.flatMap(ReactorGroup.make<E, Reason>(options), (group) => Effect.andThen(setup(group), group.ended)),
    ) as Effect.Effect<GroupEnd<E, Reason>, SE, Exclude<R, Scope.Scope>>,
};
