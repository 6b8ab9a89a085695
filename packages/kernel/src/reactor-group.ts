import { type Cause, Clock, Context, Deferred, type Duration, Effect, Exit, type Fiber, Scope } from "effect";
import type { LinkEnd, LinkEnded } from "./inlet.ts";
import { type Link, type LinkClosed, LinkImpl } from "./link.ts";
import type { WiredReactor } from "./reactor.ts";
import { Release } from "./release.ts";
import type { GroupSnapshot, PortSnapshot } from "./snapshot.ts";
import { TEARDOWN_DEADLINE } from "./timeouts.ts";
import { type LinkIdOf, Topology } from "./topology.ts";

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
  /** Closed at teardown, after the reactors have ended. A reactor that requires a `Scope` is given this one. */
  readonly scope: Scope.Scope;
  /** A link that is released with the group. */
  readonly link: <A, LE = never>(name: string) => Link<A, LE>;
  /** Starts a reactor, now or at any time while the group runs. It runs at once, until it first waits. */
  readonly start: <R>(reactor: WiredReactor<ReactorError<E>, R>) => Effect.Effect<void, GroupClosed, R>;
  /** Ends the group and waits until it is torn down. If it is ending already, the earlier cause stays. */
  readonly stop: (reason: Reason) => Effect.Effect<GroupEnd<E, Reason>>;
  /** As `stop`, from a callback and without waiting. */
  readonly stopUnsafe: (reason: Reason) => void;
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
}

interface Member {
  readonly reactor: WiredReactor<unknown, never>;
  readonly fiber: Fiber.Fiber<unknown, unknown>;
  ended: boolean;
}

class GroupImpl<in out E, in out Reason> implements ReactorGroup<E, Reason> {
  readonly kind = "group";
  readonly name: string;
  readonly scope = Scope.makeUnsafe();
  cause: GroupCause<E, Reason> | undefined;
  /** The context that the group was made in: teardown runs in it, whoever starts it. */
  readonly #context: Context.Context<Scope.Scope>;
  readonly #deadline: Duration.Input;
  /** A child of the scope that the group was made in: closing it is how the group leaves that scope when it ends first. */
  readonly #hook: Scope.Closeable;
  readonly #end = Deferred.makeUnsafe<GroupEnd<E, Reason>>();
  #members: Array<Member> = [];
  #links: Array<LinkImpl<never, never>> = [];
  /** The last context that a reactor was started from, and the same with the group's scope: reactors share it. */
  #startedFrom: Context.Context<never> | undefined;
  #reactorContext: Context.Context<never> | undefined;
  #running = 0;
  #interrupting = false;
  #release: Release | undefined;
  #timer: Fiber.Fiber<void> | undefined;
  #overdue: ReadonlyArray<string> = [];

  constructor(options: ReactorGroupOptions, context: Context.Context<Scope.Scope>) {
    this.name = options.name;
    this.#deadline = options.teardownDeadline ?? TEARDOWN_DEADLINE;
    this.#context = context;
    this.#hook = Scope.forkUnsafe(Context.get(context, Scope.Scope));
    Context.get(context, Topology.Registry).add(this);
  }

  /** Ties the group's end to the closing of the scope it was made in. */
  hook(): Effect.Effect<void> {
    return Scope.addFinalizerExit(this.#hook, (exit) =>
      Effect.suspend(() => {
        this.#endWith({ _tag: "ScopeClosed", exit });
        return this.ended;
      }),
    );
  }

  readonly link = <A, LE = never>(name: string): Link<A, LE> => {
    const link = new LinkImpl<A, LE>(name, Context.get(this.#context, Clock.Clock));
    if (this.cause !== undefined) link.closeUnsafe("release");
    else this.#links.push(link as unknown as LinkImpl<never, never>);
    return link;
  };

  readonly start = <R>(reactor: WiredReactor<ReactorError<E>, R>): Effect.Effect<void, GroupClosed, R> =>
    Effect.withFiber((parent) => {
      if (this.cause !== undefined) return Exit.fail(new GroupClosed(this.name));
      // Counted before it runs, since its first steps may end the group, and its teardown has to wait for this reactor too.
      this.#running++;
      const run = reactor.run as Effect.Effect<unknown, ReactorError<E>>;
      const fiber = Effect.runForkWith(this.#contextOf(parent.context))(run);
      const member: Member = { reactor: reactor as WiredReactor<unknown, never>, fiber, ended: false };
      this.#members.push(member);
      fiber.addObserver((exit) => {
        member.ended = true;
        this.#running--;
        this.#endWith({ _tag: "ReactorEnded", reactor: reactor.name, exit });
      });
      if (this.cause !== undefined && !member.ended) fiber.interruptUnsafe();
      return Exit.void;
    });

  readonly stop = (reason: Reason): Effect.Effect<GroupEnd<E, Reason>> =>
    Effect.suspend(() => {
      this.stopUnsafe(reason);
      return this.ended;
    });

  readonly stopUnsafe = (reason: Reason): void => this.#endWith({ _tag: "Stopped", reason });

  get ended(): Effect.Effect<GroupEnd<E, Reason>> {
    return Deferred.await(this.#end);
  }

  snapshot(id: number, linkId: LinkIdOf): GroupSnapshot {
    const ports = (reactor: WiredReactor<unknown, never>, names: ReadonlyArray<string>): ReadonlyArray<PortSnapshot> =>
      names.map((port) => ({ port, link: linkId(reactor.wiring[port] as LinkEnd) }));
    return {
      id,
      name: this.name,
      state: this.cause === undefined ? "running" : "ending",
      reactors: this.#members
        .filter((member) => !member.ended)
        .map(({ reactor }) => ({
          name: reactor.name,
          reads: ports(reactor, reactor.reads),
          writes: ports(reactor, reactor.writes),
        })),
      links: this.#links.map((link) => linkId(link)),
    };
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
      for (let at = this.#members.length - 1; at >= 0; at--) {
        const member = this.#members[at] as Member;
        if (!member.ended) member.fiber.interruptUnsafe();
      }
      for (const link of this.#links) link.closeUnsafe("release");
      this.#interrupting = false;
      if (this.#running > 0) this.#startTimer();
    }
    if (this.#running === 0 && !this.#interrupting) this.#startRelease();
  }

  #startTimer(): void {
    if (this.#timer !== undefined) return;
    const deadline = Effect.andThen(
      Effect.sleep(this.#deadline),
      Effect.sync(() => this.#deadlinePassed()),
    );
    this.#timer = Effect.runForkWith(this.#context)(deadline);
  }

  #deadlinePassed(): void {
    this.#overdue = this.#members.filter((member) => !member.ended).map((member) => member.reactor.name);
    this.#startRelease();
    this.#release?.waitNoLonger();
  }

  #startRelease(): void {
    if (this.#release !== undefined) return;
    const cause = this.cause;
    const exit = cause === undefined || cause._tag === "Stopped" ? Exit.void : cause.exit;
    this.#release = new Release(this.scope, exit, this.#context, () => this.#finish());
    if (this.#release.run() === "waits") this.#startTimer();
  }

  #finish(): void {
    const release = this.#release as Release;
    this.#timer?.interruptUnsafe();
    this.#timer = undefined;
    this.#members = [];
    this.#links = [];
    Context.get(this.#context, Topology.Registry).remove(this);
    // The finalizer that this answers with is not run: there is nothing left to end.
    Scope.closeUnsafe(this.#hook, Exit.void);
    const end: GroupEnd<E, Reason> = {
      group: this.name,
      cause: this.cause as GroupCause<E, Reason>,
      overdue: this.#overdue,
      overdueReleases: release.overdue,
      releaseFailures: release.failures,
    };
    Deferred.doneUnsafe(this.#end, Exit.succeed(end));
  }
}

export const ReactorGroup = {
  /** A running group without reactors. It ends at the latest when the surrounding scope closes. */
  make: <E = never, Reason = string>(
    options: ReactorGroupOptions,
  ): Effect.Effect<ReactorGroup<E, Reason>, never, Scope.Scope> =>
    Effect.contextWith((context: Context.Context<Scope.Scope>) => {
      const group = new GroupImpl<E, Reason>(options, context);
      return Effect.as(group.hook(), group);
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
