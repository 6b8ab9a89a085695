import { DestroyReason } from "@allium/cell";

/** One thing that a peer must not do, and what becomes of it. */
export interface ConfluxRule {
  /** What the peer did. */
  readonly what: string;
  /** Where it is documented; `ours` if no specification says so. */
  readonly from: string;
  /** Which part notices: a machine of this package, the codec of @allium/cell, or whoever keeps all sets of the process. */
  readonly by: "messages" | "handshake" | "finalize" | "sequence" | "codec" | "sets";
  /** What ends: the leg on which it came, the whole set, or nothing, where it is allowed. */
  readonly ends: "leg" | "set" | "nothing";
  /** The reason in the DESTROY of what ends. */
  readonly reason: DestroyReason;
}

const { FINISHED, NONE, PROTOCOL, RESOURCELIMIT, TIMEOUT } = DestroyReason;

/**
 * The end of a leg may end its set, by the rules of `fateOfSet`. A set ends at once where nobody can tell the order of cells
 * any more, or cells are lost.
 */
export const violationTable = {
  "conflux-off": {
    what: "a conflux message where conflux is switched off",
    from: "proposal 329, 4.2.1",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "no-congestion-control": {
    what: "LINK on a circuit without congestion control",
    from: "proposal 329, 2.2",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "wrong-join-point": {
    what: "a conflux message from or to another hop than the one that the legs meet at",
    from: "proposal 329, 4.2.1",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "link-at-initiator": {
    what: "LINK to who opened the circuit",
    from: "proposal 329, 4.2.1",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "further-hops": {
    what: "LINK, LINKED_ACK or SWITCH on a circuit that goes on beyond this relay",
    from: "proposal 329, 4.2.1",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "dirty-circuit": {
    what: "LINK on a circuit that has had streams",
    from: "ours; `tor` holds that there are none",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "second-link": {
    what: "LINK on a leg that has had one",
    from: "proposal 329, 4.2.1",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "unknown-version": {
    what: "LINK or LINKED of a version that is not defined",
    from: "proposal 329, 2.2",
    by: "codec",
    ends: "leg",
    reason: PROTOCOL,
  },
  malformed: {
    what: "a conflux message that is cut short",
    from: "proposal 329, 2.2 and 2.6",
    by: "codec",
    ends: "leg",
    reason: PROTOCOL,
  },
  "unknown-ux": {
    what: "LINK or LINKED that wants a UX which is not defined: taken for no opinion",
    from: "proposal 329, 2.2",
    by: "handshake",
    ends: "nothing",
    reason: NONE,
  },
  "number-overflow": {
    what: "LINK or LINKED with a sequence number that no set can reach",
    from: "ours",
    by: "handshake",
    ends: "leg",
    reason: PROTOCOL,
  },
  "linked-at-responder": {
    what: "LINKED to who was asked to link",
    from: "proposal 329, 4.2.1",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "linked-unasked": {
    what: "LINKED on a leg that has not sent LINK",
    from: "proposal 329, 4.2.1",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "second-linked": {
    what: "LINKED on a leg that has linked",
    from: "proposal 329, 4.2.1",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "other-nonce": {
    what: "LINKED on the wrong leg: it names another set than its LINK did",
    from: "proposal 329, 4.2.1",
    by: "handshake",
    ends: "leg",
    reason: PROTOCOL,
  },
  "linked-late": {
    what: "no LINKED in time, or one that took longer",
    from: "proposal 329, 2.2",
    by: "handshake",
    ends: "leg",
    reason: TIMEOUT,
  },
  "ack-at-initiator": {
    what: "LINKED_ACK to who sends it",
    from: "proposal 329, 4.2.1",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "ack-unasked": {
    what: "LINKED_ACK on a leg that has not sent LINKED",
    from: "proposal 329, 4.2.1",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "second-ack": {
    what: "LINKED_ACK on a leg that has had one",
    from: "proposal 329, 4.2.1",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "ack-late": {
    what: "no LINKED_ACK in time",
    from: "ours",
    by: "handshake",
    ends: "leg",
    reason: TIMEOUT,
  },
  "switch-unlinked": {
    what: "SWITCH on a circuit that is not linked",
    from: "proposal 329, 2.6",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "switch-before-ack": {
    what: "SWITCH on a leg before its LINKED_ACK",
    from: "proposal 329, 2.4.2",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "stream-before-linked": {
    what: "a message of a stream between LINK and LINKED",
    from: "proposal 329, 2.4",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "stream-before-ack": {
    what: "a message of a stream on a leg before its LINKED_ACK",
    from: "proposal 329, 2.4.2",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "extend-linked": {
    what: "EXTEND or EXTEND2 on a leg",
    from: "proposal 329, 1.3",
    by: "messages",
    ends: "leg",
    reason: PROTOCOL,
  },
  "reused-nonce": {
    what: "LINK with the nonce of a set that has ended",
    from: "ours; `tor` begins another set",
    by: "sets",
    ends: "leg",
    reason: PROTOCOL,
  },
  "too-many-legs": {
    what: "LINK to a set that has as many legs as one may have",
    from: "as `tor`: CONFLUX_MAX_CIRCS",
    by: "sets",
    ends: "leg",
    reason: RESOURCELIMIT,
  },
  "too-many-sets": {
    what: "LINK for a new set while there are as many as there may be",
    from: "ours",
    by: "sets",
    ends: "leg",
    reason: RESOURCELIMIT,
  },
  "received-unsent": {
    what: "LINK or LINKED of who has received more than was ever sent",
    from: "proposal 329, 2.4.4",
    by: "finalize",
    ends: "set",
    reason: PROTOCOL,
  },
  "resumption-unasked": {
    what: "LINKED that takes an offer to resume which was not made, or another leg's",
    from: "ours",
    by: "handshake",
    ends: "leg",
    reason: PROTOCOL,
  },
  "resumption-differs": {
    what: "LINK or LINKED that resumes, or does not, unlike the first leg of its set",
    from: "ours",
    by: "handshake",
    ends: "leg",
    reason: PROTOCOL,
  },
  "data-lost": {
    what: "LINK or LINKED of who has sent what never came",
    from: "proposal 329, 2.4.4",
    by: "finalize",
    ends: "set",
    reason: PROTOCOL,
  },
  "switch-zero": {
    what: "SWITCH that skips nothing, and is not the first thing on its leg",
    from: "as Arti; `tor` lets it pass",
    by: "sequence",
    ends: "set",
    reason: PROTOCOL,
  },
  "switch-alone": {
    // Not always a fault: they may have been sent on a leg just as it ended. They are lost in any case.
    what: "SWITCH on the only leg, in use already, that skips cells: there is no other to bring them",
    from: "ours",
    by: "sequence",
    ends: "set",
    reason: FINISHED,
  },
  "switch-too-far": {
    what: "SWITCH to a number further ahead than windows allow, or than there are numbers",
    from: "proposal 329, 4.1",
    by: "sequence",
    ends: "set",
    reason: PROTOCOL,
  },
  "rewind-unasked": {
    what: "REWIND or LEG_ENDED where nobody has agreed to resume",
    from: "ours",
    by: "sequence",
    ends: "set",
    reason: PROTOCOL,
  },
  "rewind-forward": {
    what: "REWIND to a number that its leg has not reached",
    from: "ours",
    by: "sequence",
    ends: "set",
    reason: PROTOCOL,
  },
  "switch-flood": {
    what: "SWITCHes, REWINDs and LEG_ENDEDs in a row with no cell between",
    from: "proposal 329, 4.2.1; Arti allows none on a leg after another",
    by: "sequence",
    ends: "set",
    reason: PROTOCOL,
  },
  "repeated-cells": {
    what: "cells under numbers that others came under",
    from: "as `tor`: conflux_process_cell",
    by: "sequence",
    ends: "set",
    reason: PROTOCOL,
  },
  "cells-lost": {
    // No fault of the peer's: they went with a leg that has ended, and neither end could know.
    what: "cells that no leg brings any more, or none has brought in time, since a leg has ended",
    from: "ours; `tor` waits for ever",
    by: "sequence",
    ends: "set",
    reason: FINISHED,
  },
  "reorder-full": {
    what: "more cells out of order than may wait",
    from: "proposal 329, 4.1",
    by: "sequence",
    ends: "set",
    reason: RESOURCELIMIT,
  },
} as const satisfies Readonly<Record<string, ConfluxRule>>;

/** The name of a row of {@link violationTable}. */
export type ConfluxViolationName = keyof typeof violationTable;
