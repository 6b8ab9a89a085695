import { destroyReasonName, type End, endReasonName } from "@allium/cell";
import type { ChannelError, FaultKind } from "@allium/channel";
import { Data } from "effect";
import type { CircuitEnd } from "../circuit-core.ts";
import { errorOfCause } from "../errors.ts";

/** What went wrong with a relay that was to become a hop. */
export type HopProblem =
  /** No channel to it: the first hop alone. */
  | { readonly _tag: "Channel"; readonly error: ChannelError }
  /** The circuit was closed, by DESTROY or TRUNCATED with this reason, or with its channel. */
  | { readonly _tag: "Closed"; readonly reason: number | undefined }
  /** Its half of the handshake is wrong: whoever answered does not have its key. */
  | { readonly _tag: "Handshake"; readonly detail: string }
  /** The circuit ended for another reason meanwhile. */
  | { readonly _tag: "Ended"; readonly end: CircuitEnd };

const describeProblem = (problem: HopProblem): string => {
  switch (problem._tag) {
    case "Channel":
      return `no channel: ${problem.error.message}`;
    case "Closed":
      return problem.reason === undefined
        ? "the channel closed"
        : `closed with ${destroyReasonName(problem.reason) ?? `reason ${problem.reason}`}`;
    case "Handshake":
      return `its answer is wrong: ${problem.detail}`;
    case "Ended":
      return `the circuit ended: ${describeEnd(problem.end)}`;
  }
};

/** Why a circuit ended, in words. */
export const describeEnd = ({ cause }: CircuitEnd): string => {
  const error = errorOfCause(cause);
  if (error !== undefined) return "message" in error && error.message !== "" ? error.message : error._tag;
  return cause._tag === "Stopped" && typeof cause.reason === "string" ? cause.reason : cause._tag;
};

/** A relay did not become a hop of a circuit. The circuit is over. */
export class HopFailed extends Data.TaggedError("HopFailed")<{
  /** Which hop it was to be, from 0. */
  readonly hop: number;
  /** The relay's RSA identity. */
  readonly rsaId: Buffer;
  readonly problem: HopProblem;
}> {
  readonly fault: FaultKind = "peerClosed";
  override get message(): string {
    return `hop ${this.hop} ($${this.rsaId.toString("hex").toUpperCase()}): ${describeProblem(this.problem)}`;
  }
}

/** A stream was refused by its hop, or ended before it was open. */
export class StreamEnded extends Data.TaggedError("StreamEnded")<{
  /** The END that came. */
  readonly end: End;
}> {
  readonly fault: FaultKind = "peerClosed";
  override get message(): string {
    return `the stream was ended with ${endReasonName(this.end.reason) ?? `reason ${this.end.reason}`}`;
  }
}

/** A stream's circuit is over. */
export class CircuitGone extends Data.TaggedError("CircuitGone")<{
  readonly end: CircuitEnd;
}> {
  readonly fault: FaultKind = "peerClosed";
  override get message(): string {
    return `the circuit ended: ${describeEnd(this.end)}`;
  }
}

/** A circuit has as many streams as it may. */
export class StreamsFull extends Data.TaggedError("StreamsFull")<{
  readonly circuit: string;
}> {
  readonly fault: FaultKind = "resource";
}

/** Why a stream is not there. */
export type StreamFailure = StreamEnded | CircuitGone | StreamsFull;
