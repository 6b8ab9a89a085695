import { CellError, DestroyReason, destroyReasonName, EndReason } from "@allium/cell";
import type { CircuitInbox, FaultKind } from "@allium/channel";
import type { GroupCause, ReactorError } from "@allium/kernel";
import { Cause, Data, Exit } from "effect";
import { CongestionError } from "./congestion/index.ts";
import { FlowError } from "./flow/index.ts";

/** The peer did what a circuit in this state must not see. `where` names the message or the cell. */
export class CircuitProtocolError extends Data.TaggedError("CircuitProtocolError")<{
  readonly where: string;
  readonly detail: string;
}> {
  readonly fault: FaultKind = "protocol";
  override get message(): string {
    return `${this.where}: ${this.detail}`;
  }
}

/** One of the circuit's channels closed, or the peer on it sent DESTROY. */
export class CircuitClosedByPeer extends Data.TaggedError("CircuitClosedByPeer")<{
  readonly side: "near" | "far";
  readonly how: "destroy" | "channel";
  /** The reason in the DESTROY cell. It is not passed on: it would tell one side about the other. */
  readonly reason: number | undefined;
}> {
  readonly fault: FaultKind = "peerClosed";
  override get message(): string {
    if (this.reason === undefined) return "the channel closed";
    return `closed with ${destroyReasonName(this.reason) ?? `reason ${this.reason}`}`;
  }
}

/** A bound of the circuit was reached. */
export class CircuitLimit extends Data.TaggedError("CircuitLimit")<{
  /** `near` and `far`: the inbox from there overran. `streams`: too many were asked for too fast. */
  readonly limit: "near" | "far" | "streams";
}> {
  readonly fault: FaultKind = "resource";
}

/** The circuit could not be extended. */
export class ExtendFailed extends Data.TaggedError("ExtendFailed")<{
  readonly problem: "connect" | "identity" | "limit";
}> {
  readonly fault: FaultKind = "peerClosed";
}

/** A leg broke a rule of conflux, or came too late: whoever links circuits says what that means. */
export class LegFailed extends Data.TaggedError("LegFailed")<{
  readonly detail: string;
  readonly destroyReason: DestroyReason;
  readonly fault: FaultKind;
}> {
  override get message(): string {
    return this.detail;
  }
}

/** What a reactor of a circuit fails with. */
export type CircuitError = CircuitProtocolError | CircuitClosedByPeer | CircuitLimit | ExtendFailed | LegFailed;

/** What a circuit is told to stop for: an error if its reactors were too busy to meet it themselves. */
export type CircuitStop = "finished" | "idle" | "shutdown" | "memory" | CircuitError;

/** What the end of the inbox on one side means for the circuit. */
export const errorOfEnd = (
  side: "near" | "far",
  end: NonNullable<ReturnType<CircuitInbox["ended"]>>,
): CircuitClosedByPeer | CircuitLimit => {
  if (end._tag === "Overrun") return new CircuitLimit({ limit: side });
  const reason = end._tag === "Destroyed" ? end.reason : undefined;
  const known = closedByPeer[side].get(reason);
  if (known !== undefined) return known;
  const error = new CircuitClosedByPeer({ side, how: reason === undefined ? "channel" : "destroy", reason });
  closedByPeer[side].set(reason, error);
  return error;
};

/**
 * The ends of all circuits that their peers have closed, by the reason in the DESTROY, which is one byte: most circuits end so, and
 * a new error for each would cost more than the rest of its end, for a stack that says nothing.
 */
const closedByPeer = {
  near: new Map<number | undefined, CircuitClosedByPeer>(),
  far: new Map<number | undefined, CircuitClosedByPeer>(),
};

/** Maps what a stream table throws to a circuit's error; anything else is a bug and goes on. */
export const toCircuitError = (cause: unknown): CircuitError =>
  cause instanceof CircuitLimit ? cause : toProtocolError(cause);

/** Maps what the codecs and the pure machines throw to a circuit's protocol error; anything else is a bug and goes on. */
export const toProtocolError = (cause: unknown): CircuitProtocolError => {
  if (cause instanceof CircuitProtocolError) return cause;
  if (cause instanceof CellError) return new CircuitProtocolError({ where: cause.subject, detail: cause.message });
  if (cause instanceof CongestionError) return new CircuitProtocolError({ where: "SENDME", detail: cause.message });
  if (cause instanceof FlowError) return new CircuitProtocolError({ where: "flow control", detail: cause.message });
  throw cause;
};

// What the two sides of a circuit, and its streams, are told about its end. One table, as the design has it:
//
// | what ended it | DESTROY | END of its streams | log |
// | --- | --- | --- | --- |
// | protocol violation | PROTOCOL | DESTROY | info |
// | DESTROY from a peer | DESTROYED | DESTROY | debug |
// | a channel closed | CHANNEL_CLOSED | DESTROY | debug |
// | a bound was reached | RESOURCELIMIT | RESOURCELIMIT | info |
// | extending failed | CONNECTFAILED, OR_IDENTITY | DESTROY | debug |
// | a leg failed | as its rule says | DESTROY | info, debug if it was late |
// | told to finish, idle | FINISHED | DESTROY | debug |
// | shutdown | FINISHED | DESTROY | debug |
// | a defect | INTERNAL | INTERNAL | error |

/** What the end of a circuit means for others. */
export interface EndMeaning {
  readonly destroyReason: number;
  readonly endReason: number;
  readonly level: "debug" | "info" | "error";
}

const meaningOfError = (error: ReactorError<CircuitError>): EndMeaning => {
  switch (error._tag) {
    // A link inside the circuit ended first: nobody outside did anything wrong.
    case "LinkEnded":
    case "LinkClosed":
      return FINISHED;
    case "CircuitProtocolError":
      return { destroyReason: DestroyReason.PROTOCOL, endReason: EndReason.DESTROY, level: "info" };
    case "CircuitClosedByPeer":
      return {
        destroyReason: error.how === "destroy" ? DestroyReason.DESTROYED : DestroyReason.CHANNEL_CLOSED,
        endReason: EndReason.DESTROY,
        level: "debug",
      };
    case "CircuitLimit":
      return { destroyReason: DestroyReason.RESOURCELIMIT, endReason: EndReason.RESOURCELIMIT, level: "info" };
    case "ExtendFailed":
      return {
        destroyReason: error.problem === "identity" ? DestroyReason.OR_IDENTITY : DestroyReason.CONNECTFAILED,
        endReason: EndReason.DESTROY,
        level: "debug",
      };
    case "LegFailed":
      return {
        destroyReason: error.destroyReason,
        endReason: EndReason.DESTROY,
        level: error.fault === "timeout" || error.fault === "peerClosed" ? "debug" : "info",
      };
  }
};

const BUG: EndMeaning = { destroyReason: DestroyReason.INTERNAL, endReason: EndReason.INTERNAL, level: "error" };

const FINISHED: EndMeaning = { destroyReason: DestroyReason.FINISHED, endReason: EndReason.DESTROY, level: "debug" };

const OUT_OF_MEMORY: EndMeaning = {
  destroyReason: DestroyReason.RESOURCELIMIT,
  endReason: EndReason.RESOURCELIMIT,
  level: "info",
};

/** The error that a circuit ended with, if it was one. */
export const errorOfCause = (cause: GroupCause<CircuitError, CircuitStop>): ReactorError<CircuitError> | undefined => {
  if (cause._tag === "Stopped") return typeof cause.reason === "object" ? cause.reason : undefined;
  if (cause._tag !== "ReactorEnded" || Exit.isSuccess(cause.exit)) return undefined;
  const error = Cause.findErrorOption(cause.exit.cause);
  return error._tag === "Some" ? error.value : undefined;
};

/** Looks the end of a circuit up in the table above. */
export const meaningOf = (cause: GroupCause<CircuitError, CircuitStop>): EndMeaning => {
  if (cause._tag === "ReactorEnded" && Exit.isFailure(cause.exit) && Cause.hasDies(cause.exit.cause)) return BUG;
  if (cause._tag === "Stopped" && cause.reason === "memory") return OUT_OF_MEMORY;
  const error = errorOfCause(cause);
  return error === undefined ? FINISHED : meaningOfError(error);
};
