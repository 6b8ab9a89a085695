import { type Cause, Context, Deferred, type Duration, Effect, Exit, type Fiber, Scope } from "effect";
import { GenerationMap, nextGeneration } from "./generation.ts";
import { releaseWithin } from "./release.ts";
import { type CancelledBy, endOf, isDisconnecting, type Routine, type RoutineEnd, type Session } from "./routine.ts";
import type { RoutinesSnapshot, SessionSnapshot } from "./snapshot.ts";
import { ROUTINE_RELEASE_DEADLINE } from "./timeouts.ts";
import { Topology } from "./topology.ts";

/** How a session ended, told once all of it is released. */
export interface SessionReport<out Peer> extends Session<Peer> {
  readonly routine: string;
  readonly end: RoutineEnd;
  /** What failed while disconnecting and releasing. It has stopped nothing else. */
  readonly releaseFailures: ReadonlyArray<Cause.Cause<unknown>>;
  /** How many of the disconnection and the releases had not finished at the deadline, and are no longer waited for. */
  readonly overdueReleases: number;
}

/** A session was to be started in a set that is closed. */
export class RoutinesClosed {
  readonly _tag = "RoutinesClosed";
  readonly routines: string;

  constructor(routines: string) {
    this.routines = routines;
  }
}

/** The peer has a session, and the set refuses a second one. */
export class DuplicateSession {
  readonly _tag = "DuplicateSession";
  readonly routines: string;
  readonly peer: string;
  /** The generation of the session that stays. */
  readonly generation: number;

  constructor(routines: string, peer: string, generation: number) {
    this.routines = routines;
    this.peer = peer;
    this.generation = generation;
  }
}

/** A started session. */
export interface SessionHandle<out Peer> extends Session<Peer> {
  /** Ends the session and waits until all of it is released. */
  readonly cancel: Effect.Effect<SessionReport<Peer>>;
  /** As `cancel`, from a callback and without waiting. */
  readonly cancelUnsafe: () => void;
  /** Waits until the session has ended and all of it is released. */
  readonly ended: Effect.Effect<SessionReport<Peer>>;
}

/**
 * The sessions of a service's peers, each run by a supervised routine.
 *
 * Sessions are isolated: a defect in one ends that one. Whatever ends a session, what was admitted is released exactly once;
 * see `RoutineEnd` for the table. Closing the set's scope cancels all sessions and waits for them.
 */
export interface Routines<in out Peer> {
  readonly name: string;
  /** Starts a session for a peer. It runs at once, until it first waits. */
  readonly start: <State, R>(
    routine: Routine<Peer, State, R>,
    peer: Peer,
  ) => Effect.Effect<SessionHandle<Peer>, RoutinesClosed | DuplicateSession, Exclude<R, Scope.Scope>>;
  /** The peer's current session: one that was superseded is not, even while it still releases. */
  readonly current: (peer: Peer) => SessionHandle<Peer> | undefined;
  /** How many sessions have not ended, superseded ones included. */
  readonly size: number;
}

/** How a set of routines is made. */
export interface RoutinesOptions<in Peer> {
  readonly name: string;
  /** What tells peers apart, also in the topology. @default String */
  readonly keyOf?: (peer: Peer) => string;
  /**
   * A session is started for a peer that has one: `supersede` cancels the old one and does not wait for it; `refuse` fails
   * with `DuplicateSession`.
   * @default "supersede"
   */
  readonly onDuplicate?: "supersede" | "refuse";
  /** @default ROUTINE_RELEASE_DEADLINE (5 seconds) */
  readonly releaseDeadline?: Duration.Input;
}

class SessionImpl<in out Peer> implements SessionHandle<Peer> {
  readonly peer: Peer;
  readonly key: string;
  readonly generation = nextGeneration();
  readonly scope = Scope.makeUnsafe();
  readonly report = Deferred.makeUnsafe<SessionReport<Peer>>();
  state: SessionSnapshot["state"] = "admitting";
  cancelledBy: CancelledBy | undefined;
  fiber: Fiber.Fiber<void> | undefined;

  constructor(peer: Peer, key: string) {
    this.peer = peer;
    this.key = key;
  }

  get ended(): Effect.Effect<SessionReport<Peer>> {
    return Deferred.await(this.report);
  }

  get cancel(): Effect.Effect<SessionReport<Peer>> {
    return Effect.suspend(() => {
      this.cancelUnsafe();
      return this.ended;
    });
  }

  readonly cancelUnsafe = (by: CancelledBy = "handle"): void => {
    this.cancelledBy ??= by;
    this.fiber?.interruptUnsafe();
  };
}

class RoutinesImpl<in out Peer> implements Routines<Peer> {
  readonly kind = "routines";
  readonly name: string;
  readonly #registry;
  readonly #keyOf: (peer: Peer) => string;
  readonly #refuses: boolean;
  readonly #deadline: Duration.Input;
  readonly #current = new GenerationMap<string, SessionImpl<Peer>>();
  readonly #sessions = new Set<SessionImpl<Peer>>();
  #closed = false;

  constructor(options: RoutinesOptions<Peer>, context: Context.Context<never>) {
    this.name = options.name;
    this.#keyOf = options.keyOf ?? String;
    this.#refuses = options.onDuplicate === "refuse";
    this.#deadline = options.releaseDeadline ?? ROUTINE_RELEASE_DEADLINE;
    this.#registry = Context.get(context, Topology.Registry);
    this.#registry.add(this);
  }

  get size(): number {
    return this.#sessions.size;
  }

  readonly current = (peer: Peer): SessionHandle<Peer> | undefined => this.#current.get(this.#keyOf(peer))?.value;

  readonly start = <State, R>(
    routine: Routine<Peer, State, R>,
    peer: Peer,
  ): Effect.Effect<SessionHandle<Peer>, RoutinesClosed | DuplicateSession, Exclude<R, Scope.Scope>> => {
    type Started = Effect.Effect<SessionHandle<Peer>, RoutinesClosed | DuplicateSession>;
    return Effect.contextWith((context: Context.Context<Exclude<R, Scope.Scope>>): Started => {
      if (this.#closed) return Exit.fail(new RoutinesClosed(this.name));
      const key = this.#keyOf(peer);
      const older = this.#current.get(key);
      if (older !== undefined && this.#refuses) {
        return Exit.fail(new DuplicateSession(this.name, key, older.generation));
      }
      const session = new SessionImpl(peer, key);
      this.#current.set(key, session.generation, session);
      this.#sessions.add(session);
      older?.value.cancelUnsafe("newer session");
      const inSession = Context.add(context, Scope.Scope, session.scope) as Context.Context<R>;
      session.fiber = Effect.runForkWith(inSession)(this.#life(routine, session, inSession));
      // Its first steps may have cancelled it before there was a fiber to interrupt.
      if (session.cancelledBy !== undefined) session.fiber.interruptUnsafe();
      return Exit.succeed(session);
    });
  };

  /** Cancels all sessions and waits for them; no further one is started. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.#closed = true;
    const sessions = [...this.#sessions];
    for (const session of sessions) session.cancelUnsafe("scope");
    return Effect.andThen(
      Effect.forEach(sessions, (session) => session.ended, { discard: true }),
      Effect.sync(() => this.#registry.remove(this)),
    );
  });

  snapshot(id: number): RoutinesSnapshot {
    const sessions = Array.from(this.#sessions, ({ key, generation, state }) => ({ peer: key, generation, state }));
    return { id, name: this.name, sessions };
  }

  /** A session from its admission to its report. Never fails: a routine's defect ends here. */
  #life<State, R>(
    routine: Routine<Peer, State, R>,
    session: SessionImpl<Peer>,
    context: Context.Context<R>,
  ): Effect.Effect<void, never, R> {
    const self = this;
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const admitted = yield* Effect.exit(Effect.suspend(() => routine.admit(session)));
        let end: RoutineEnd;
        if (Exit.isSuccess(admitted)) {
          // The first finalizer of the session's scope, hence the last to run: what `run` acquires is released before.
          yield* Scope.addFinalizer(
            session.scope,
            Effect.suspend(() => Effect.provideContext(routine.release(admitted.value, end, session), context)),
          );
          session.state = "running";
          const ran = yield* Effect.exit(restore(Effect.suspend(() => routine.run(admitted.value, session))));
          end = endOf(ran, session.cancelledBy);
        } else {
          end = endOf(admitted, session.cancelledBy);
        }
        session.state = "ending";
        // The peer's place is free from here on, unless a newer session has it already.
        self.#current.delete(session.key, session.generation);
        const disconnect = routine.disconnect;
        if (isDisconnecting(end) && disconnect !== undefined) {
          const because = end;
          yield* Scope.addFinalizer(
            session.scope,
            Effect.suspend(() => Effect.provideContext(disconnect(because, session), context)),
          );
        }
        const release = yield* releaseWithin(session.scope, Exit.void, self.#deadline, context);
        self.#sessions.delete(session);
        const { peer, generation } = session;
        const report = { routine: routine.name, peer, generation, end };
        Deferred.doneUnsafe(
          session.report,
          Exit.succeed({ ...report, releaseFailures: release.failures, overdueReleases: release.overdue }),
        );
      }),
    );
  }
}

export const Routines = {
  /** An empty set of sessions. Closing the surrounding scope cancels all that are in it then. */
  make: <Peer>(options: RoutinesOptions<Peer>): Effect.Effect<Routines<Peer>, never, Scope.Scope> =>
    Effect.contextWith((context: Context.Context<Scope.Scope>) => {
      const routines = new RoutinesImpl(options, context);
      return Effect.as(Scope.addFinalizer(Context.get(context, Scope.Scope), routines.close), routines);
    }),
};
