import { destroyReasonName } from "@allium/cell";
import type { ChannelError } from "@allium/channel";
import { type CircuitEnd, errorOfCause, type HopFailed } from "@allium/circuit";

// What comes of a case:
//
// | outcome | means |
// | --- | --- |
// | ignored | nothing: the circuit goes on |
// | no channel: … | the relay is not used, for this reason |
// | no hop: … | the relay, or the one behind it, does not become a hop, and the circuit is over |
// | the circuit ends: … | with DESTROY, reason NONE, towards the guard |
// | nobody answers | whoever builds the circuit gives it up when its time is over |

/** Nothing came of it. */
export const IGNORED = "ignored";

/** Nothing came at all. */
export const UNANSWERED = "nobody answers";

/** What became of a hop that there was to be. */
export const outcomeOfHop = ({ problem }: HopFailed): string => {
  switch (problem._tag) {
    case "Channel":
      return `no channel: ${outcomeOfChannel(problem.error)}`;
    case "Closed":
      return `no hop: ${problem.reason === undefined ? "the channel closed" : `DESTROY ${nameOf(problem.reason)}`}`;
    case "Handshake":
      return "no hop: its answer proves nothing";
    case "Ended":
      return outcomeOfEnd(problem.end);
  }
};

/** What became of a circuit. */
export const outcomeOfEnd = ({ cause }: CircuitEnd): string => {
  const error = errorOfCause(cause);
  if (error === undefined) return `the circuit ends: ${cause._tag}`;
  if (error._tag === "CircuitProtocolError") {
    return `the circuit ends: violation, ${error.where.replace(/^relay command .* on stream .*$/, "stream")}`;
  }
  if (error._tag !== "CircuitClosedByPeer") return `the circuit ends: ${error._tag}`;
  return `the circuit ends: ${error.how === "channel" ? "the channel closed" : `DESTROY ${nameOf(error.reason ?? 0)}`}`;
};

const outcomeOfChannel = (error: ChannelError): string => {
  switch (error._tag) {
    case "LinkHandshakeError":
      return error.problem;
    case "ChannelTimeout":
      return `no ${error.step} in time`;
    case "ChannelLost":
      return "closed";
    default:
      return error._tag;
  }
};

const nameOf = (reason: number): string => destroyReasonName(reason) ?? `${reason}`;
