import type { ConfluxLinkPayload } from "@allium/cell";

/** How far an end of a set has come, as LINK and LINKED tell it. Both are 0 when a set begins. Proposal 329, 2.2. */
export interface SetNumbers {
  /** The number of the last cell that it has sent on any leg. */
  readonly sent: number;
  /** The number of the last cell that it has delivered. */
  readonly received: number;
}

/** Reads the numbers of LINK or LINKED; `undefined` if one is beyond what a set can reach. */
export const numbersOf = (payload: ConfluxLinkPayload): SetNumbers | undefined => {
  const most = BigInt(Number.MAX_SAFE_INTEGER);
  if (payload.lastSeqnoSent > most || payload.lastSeqnoReceived > most) return undefined;
  return { sent: Number(payload.lastSeqnoSent), received: Number(payload.lastSeqnoReceived) };
};

/** Which numbers a leg starts from: what `addLeg` of both sequences takes. */
export type LegStart = SetNumbers;

/**
 * The numbers that a leg starts from, at the end that said `own` and heard `peer`: in each direction the lower one of what its
 * sender has sent and what its receiver has received. Both ends know all four, and so agree; the first SWITCH says the rest.
 *
 * `tor` takes what the other end said (cfx_add_leg), and notes that it may be wrong while cells are on their way. For a set
 * that begins, and for one that is at rest, that is the same. Otherwise a `tor` that was asked to link starts from what LINK
 * said, and this rule meets it there: LINK's numbers are older, and a receiver is never ahead of its sender, so that the
 * lower ones are LINK's. As the one who asks, `tor` links no further legs to a set, so that its numbers are all 0.
 */
export const legStart = (own: SetNumbers, peer: SetNumbers): LegStart => ({
  sent: Math.min(own.sent, peer.received),
  received: Math.min(own.received, peer.sent),
});
