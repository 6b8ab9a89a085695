import { type End, EndReason } from "@allium/cell";

/**
 * What an exit's END, in place of CONNECTED, means for a stream (tor-spec 6.3; as `tor`). No byte was sent by then, so trying again
 * loses nothing.
 *
 * | END | |
 * | --- | --- |
 * | EXITPOLICY | `refused`: by this exit, for this destination: another one |
 * | HIBERNATING, RESOURCELIMIT | `full`: this exit is not asked for anything until the next consensus: another one |
 * | RESOLVEFAILED, MISC, NOROUTE | `elsewhere`: others may be luckier: three exits are asked |
 * | CONNECTREFUSED, DONE, TIMEOUT, CONNRESET, DESTROY, INTERNAL, TORPROTOCOL, NOTDIRECTORY, others | `final` |
 */
export type EndVerdict = "refused" | "full" | "elsewhere" | "final";

const VERDICTS: ReadonlyMap<number, EndVerdict> = new Map([
  [EndReason.EXITPOLICY, "refused"],
  [EndReason.HIBERNATING, "full"],
  [EndReason.RESOURCELIMIT, "full"],
  [EndReason.RESOLVEFAILED, "elsewhere"],
  [EndReason.MISC, "elsewhere"],
  [EndReason.NOROUTE, "elsewhere"],
]);

/** How many exits are asked that say that they cannot reach a destination (tor's MAX_RESOLVE_FAILURES). */
export const MAX_PLACES = 3;

/** See {@link EndVerdict}. */
export const judgeEnd = ({ reason }: End): EndVerdict => VERDICTS.get(reason) ?? "final";
