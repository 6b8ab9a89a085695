import { type End, EndReason, endReasonName } from "@allium/cell";
import { TransportError, type TransportErrorKind } from "@allium/channel";

// What an application finds behind the last byte of a stream that its hop has ended (tor-spec, "Closing streams"):
//
// | END | failure of the connection |
// | --- | --- |
// | DONE | none: the end |
// | CONNRESET | reset |
// | TIMEOUT | timeout |
// | RESOURCELIMIT | resourceLimit |
// | CONNECTREFUSED, NOROUTE | refused, unreachable |
// | any other, and the end of the circuit (DESTROY) | other |
//
// The code names the reason: END_CONNRESET.

const KINDS: ReadonlyMap<number, TransportErrorKind> = new Map([
  [EndReason.CONNRESET, "reset"],
  [EndReason.TIMEOUT, "timeout"],
  [EndReason.RESOURCELIMIT, "resourceLimit"],
  [EndReason.CONNECTREFUSED, "refused"],
  [EndReason.NOROUTE, "unreachable"],
]);

/** The failure that an END means for a stream that was open; `undefined` if all went well. */
export const failureOfEnd = ({ reason }: End): TransportError | undefined =>
  reason === EndReason.DONE
    ? undefined
    : new TransportError({
        kind: KINDS.get(reason) ?? "other",
        code: `END_${endReasonName(reason) ?? reason}`,
        endpoint: NOWHERE,
      });

/** Where a stream leads to is not for logs. */
const NOWHERE = { host: "", port: 0 };
