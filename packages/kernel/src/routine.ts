import { Cause, type Effect, Exit } from "effect";
import type { LinkEnded } from "./inlet.ts";

/** The peer broke the protocol. It is to blame: the session ends, and with it the peer's connection. */
export class ProtocolReject {
  readonly _tag = "ProtocolReject";
  readonly reason: string;
  readonly detail: unknown;

  constructor(reason: string, detail?: unknown) {
    this.reason = reason;
    this.detail = detail;
  }
}

/** We cannot or will not go on with this peer, and it is not to blame: the session ends, the connection stays. */
export class LocalReject {
  readonly _tag = "LocalReject";
  readonly reason: string;
  readonly detail: unknown;

  constructor(reason: string, detail?: unknown) {
    this.reason = reason;
    this.detail = detail;
  }
}

/** The peer's stream has ended. The connection, and other streams on it, may live on. */
export class StreamClosed {
  readonly _tag = "StreamClosed";
}

/** What a routine may fail with. A reading end's `LinkEnded` counts as `StreamClosed`. */
export type RoutineError = ProtocolReject | LocalReject | StreamClosed | LinkEnded;

/** One stay of a peer with a routine. */
export interface Session<out Peer> {
  readonly peer: Peer;
  /** Greater than that of every session before it, in the whole process. Store under it what is stored for the session. */
  readonly generation: number;
}

/**
 * How a session ended.
 *
 * | ended by | end | release | connection |
 * | --- | --- | --- | --- |
 * | `run` succeeds | `Done` | once | stays |
 * | fails with `StreamClosed`, `LinkEnded` | `StreamClosed` | once | stays |
 * | `cancel`, a newer session, the scope's closing, an interruption of its own | `Cancelled` | once | stays |
 * | fails with `LocalReject` | `LocalReject` | once | stays |
 * | fails with `ProtocolReject` | `ProtocolReject` | once, after `disconnect` | ends |
 * | defect | `Defect` | once, after `disconnect` | ends |
 *
 * The same holds for `admit`, but that there is nothing to release when it has not succeeded.
 */
export type RoutineEnd =
  | { readonly _tag: "Done" }
  | { readonly _tag: "StreamClosed" }
  | { readonly _tag: "Cancelled"; readonly by: CancelledBy }
  | { readonly _tag: "LocalReject"; readonly reject: LocalReject }
  | { readonly _tag: "ProtocolReject"; readonly reject: ProtocolReject }
  | { readonly _tag: "Defect"; readonly cause: Cause.Cause<unknown> };

/** Who cancelled a session: its handle, a newer session of the peer, the closing of the set's scope, or itself. */
export type CancelledBy = "handle" | "newer session" | "scope" | "itself";

/** The ends that a peer's connection does not survive. */
export type Disconnecting = Extract<RoutineEnd, { _tag: "ProtocolReject" | "Defect" }>;

/**
 * What is done for each peer on one of its streams: a routine is a value, and each session of a peer runs it anew.
 *
 * All three parts may require a `Scope`: the session's own, closed after `release`.
 */
export interface Routine<in Peer, in out State, out R = never> {
  readonly name: string;
  /** Admits the peer and makes the state of its session. Cannot be interrupted, so it must not wait for the peer. */
  readonly admit: (session: Session<Peer>) => Effect.Effect<State, RoutineError, R>;
  /** The session itself. */
  readonly run: (state: State, session: Session<Peer>) => Effect.Effect<unknown, RoutineError, R>;
  /** Undoes `admit`. Run once for each success of `admit`, whatever happened. Cannot be interrupted. */
  readonly release: (state: State, end: RoutineEnd, session: Session<Peer>) => Effect.Effect<unknown, never, R>;
  /** Ends the peer's connection, before the release. Run only for the ends that a connection does not survive. */
  readonly disconnect?: (end: Disconnecting, session: Session<Peer>) => Effect.Effect<unknown, never, R>;
}

export const Routine = {
  /** A routine, with the types of its parts inferred from each other. */
  make: <Peer, State, R = never>(routine: Routine<Peer, State, R>): Routine<Peer, State, R> => routine,
};

/** Whether a peer's connection ends with a session that ended so. */
export const isDisconnecting = (end: RoutineEnd): end is Disconnecting =>
  end._tag === "ProtocolReject" || end._tag === "Defect";

/**
 * Maps how a routine's effect ended to how its session did. A defect outweighs a reject, and a reject an interruption, when a
 * clean-up adds one to the other.
 */
export const endOf = (exit: Exit.Exit<unknown, RoutineError>, cancelledBy: CancelledBy | undefined): RoutineEnd => {
  if (Exit.isSuccess(exit)) return { _tag: "Done" };
  const { cause } = exit;
  if (Cause.hasDies(cause)) return { _tag: "Defect", cause };
  const errors = cause.reasons.filter(Cause.isFailReason).map((reason) => reason.error);
  const protocol = errors.find((error) => error._tag === "ProtocolReject");
  if (protocol !== undefined) return { _tag: "ProtocolReject", reject: protocol };
  const local = errors.find((error) => error._tag === "LocalReject");
  if (local !== undefined) return { _tag: "LocalReject", reject: local };
  if (errors.length > 0) return { _tag: "StreamClosed" };
  return { _tag: "Cancelled", by: cancelledBy ?? "itself" };
};
