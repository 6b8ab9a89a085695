import type { ConfluxViolationName } from "../violations.ts";
import { type LegStart, legStart, type SetNumbers } from "./set-numbers.ts";

export interface FinalizeInput {
  /** What this end said, in its LINK or LINKED. */
  readonly own: SetNumbers;
  /** What the other end said. */
  readonly peer: SetNumbers;
  /** How far this end is now: cells may have come since it said so. */
  readonly now: SetNumbers;
  /** Whether both ends keep cells to send them again, see `ResendBuffer`. */
  readonly resumes: boolean;
}

/** A leg joins its set: where it starts, or why it cannot. */
export type Finalized =
  | { readonly _tag: "Linked"; readonly start: LegStart }
  | { readonly _tag: "Refused"; readonly violation: ConfluxViolationName };

/**
 * Whether a leg whose handshake is done may join its set. It may not if the other end has received what was never sent; nor,
 * unless the set resumes, if it has sent what has not come and cannot come any more on this leg. Looked at when the leg joins,
 * not when the message comes, so that what was on its way has come by then. Proposal 329, 2.4.4; `tor`: validate_unlinked_legs.
 */
export const finalize = ({ own, peer, now, resumes }: FinalizeInput): Finalized => {
  if (peer.received > now.sent) return { _tag: "Refused", violation: "received-unsent" };
  if (peer.sent > now.received && !resumes) return { _tag: "Refused", violation: "data-lost" };
  return { _tag: "Linked", start: legStart(own, peer) };
};
