import type { ConfluxViolationName } from "../violations.ts";
import { type LegStart, legStart, type SetNumbers } from "./set-numbers.ts";

export interface FinalizeInput {
  /** What this end said, in its LINK or LINKED. */
  readonly own: SetNumbers;
  /** What the other end said. */
  readonly peer: SetNumbers;
  /** How far this end is now: cells may have come since it said so. */
  readonly now: SetNumbers;
  /** Whether the set has other legs: what has not come may be on its way on one of them. */
  readonly others: boolean;
  /** Whether both ends keep cells to send them again, see `ResendBuffer`. */
  readonly resumes: boolean;
}

/** A leg joins its set: where it starts, or why it cannot. */
export type Finalized =
  | { readonly _tag: "Linked"; readonly start: LegStart }
  | { readonly _tag: "Refused"; readonly violation: ConfluxViolationName };

/**
 * Whether a leg whose handshake is done may join its set. It may not if the other end has received what was never sent; nor,
 * unless the set resumes, if it has sent what has not come and cannot come any more: there is no leg that could bring it, and this one
 * begins behind it. Looked at when the leg joins, not when the message comes. Proposal 329, 2.4.4; `tor`: validate_unlinked_legs.
 *
 * `tor` refuses what has not come even if it is on its way on another leg. It links all legs of a set before it sends anything; to a
 * `tor`, no leg can be added to a set that is at work.
 */
export const finalize = ({ own, peer, now, others, resumes }: FinalizeInput): Finalized => {
  if (peer.received > now.sent) return { _tag: "Refused", violation: "received-unsent" };
  if (peer.sent > now.received && !others && !resumes) return { _tag: "Refused", violation: "data-lost" };
  return { _tag: "Linked", start: legStart(own, peer) };
};
