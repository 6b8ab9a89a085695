/** A linked leg that has ended, and what is left of its set. */
export interface EndedLeg {
  /** Legs that are left. */
  readonly left: number;
  /** Whether it was the one that cells went out on last. */
  readonly current: boolean;
  /** DATA cells sent on it and not acknowledged. */
  readonly inflight: number;
  /** DATA cells that a SENDME on it acknowledges. */
  readonly sendmeInc: number;
  /** `last` of it, of `SendSequence`. */
  readonly sent: number;
  /** The highest `last` of those that are left. */
  readonly othersSent: number;
  /** `last` of it, of `ReceiveSequence`. */
  readonly received: number;
  /** The highest `last` of those that are left. */
  readonly othersReceived: number;
  /** Whether both ends can send again what is lost with it. */
  readonly resumes: boolean;
}

/**
 * What becomes of the set, and why:
 *
 * | why | the set | since |
 * | --- | --- | --- |
 * | `last-leg` | ends | there is nothing left to send on, and nobody to resume with |
 * | `in-flight` | ends | a SENDME's worth of DATA or more is not acknowledged, and may be lost |
 * | `sent-highest` | ends | the newest cells went out on it: those that no SENDME answers may be lost too |
 * | `received-highest` | ends | the newest cells came on it: the peer was sending on it, and what it sent last may be lost |
 * | `current` | ends | it is in use, even if nothing has gone out on any leg |
 * | `resumed` | goes on | one of these, but what is lost can be sent again on another leg |
 * | `idle` | goes on | nothing can be missing |
 */
export interface SetFate {
  readonly ends: boolean;
  readonly why: "last-leg" | "in-flight" | "sent-highest" | "received-highest" | "current" | "resumed" | "idle";
}

const lossOf = (leg: EndedLeg): "in-flight" | "sent-highest" | "received-highest" | "current" | undefined => {
  // Less than an increment may be in flight for ever: nothing would acknowledge it.
  if (leg.inflight >= leg.sendmeInc) return "in-flight";
  if (leg.sent > leg.othersSent) return "sent-highest";
  if (leg.received > leg.othersReceived) return "received-highest";
  return leg.current ? "current" : undefined;
};

/**
 * Decides whether a set outlives one of its legs. If it does not, the other legs get DESTROY with FINISHED: only the leg that
 * failed has a reason of its own. Proposal 329, 2.4.3; `tor`: cfx_del_leg and linked_circuit_closed; Arti: ConfluxSet::remove.
 */
export const fateOfSet = (leg: EndedLeg): SetFate => {
  if (leg.left === 0) return { ends: true, why: "last-leg" };
  const loss = lossOf(leg);
  if (loss === undefined) return { ends: false, why: "idle" };
  return leg.resumes ? { ends: false, why: "resumed" } : { ends: true, why: loss };
};
