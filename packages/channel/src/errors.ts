import { CertificateError } from "@allium/crypto";
import { type Cause, Data } from "effect";

/**
 * The kinds of fault there are, whatever it is that failed. One table maps a kind to the reason that a peer is told, to a
 * log level and to what a supervisor does.
 */
export type FaultKind = "protocol" | "peerClosed" | "resource" | "timeout" | "configuration" | "bug";

/** What a peer did wrong while a channel was being set up. tor-spec, "Negotiating and initializing connections". */
export type HandshakeProblem =
  /** The two sides support no link protocol in common. */
  | "noCommonVersion"
  /** A cell that is not allowed at this point, or a cell too many. */
  | "unexpectedCell"
  /** A cell that cannot be parsed. */
  | "malformedCell"
  /** CERTS lacks a certificate that the proof needs. */
  | "missingCertificate"
  /** A certificate is malformed, expired, of the wrong kind or wrongly signed. */
  | "badCertificate"
  /** Everything is well signed, by somebody else than we wanted to reach. */
  | "wrongIdentity"
  /** AUTHENTICATE does not prove what CERTS claimed. */
  | "badAuthenticate"
  /** The other side is ourselves. */
  | "self";

/** The peer broke the link handshake. `where` names the cell or certificate. */
export class LinkHandshakeError extends Data.TaggedError("LinkHandshakeError")<{
  readonly problem: HandshakeProblem;
  readonly where: string;
  readonly detail: string;
  /** The `CertificateError`, if a certificate was refused. */
  readonly cause?: unknown;
}> {
  readonly fault: FaultKind = "protocol";
  /** Whether a certificate was refused for its time alone: the clock of this side may be what is wrong. */
  get isOutOfTime(): boolean {
    const { cause } = this;
    return cause instanceof CertificateError && (cause.problem === "expired" || cause.problem === "not-yet-valid");
  }
  override get message(): string {
    return `${this.problem} in ${this.where}: ${this.detail}`;
  }
}

/** The peer sent something that an open channel must not carry. */
export class ChannelProtocolError extends Data.TaggedError("ChannelProtocolError")<{
  readonly where: string;
  readonly detail: string;
}> {
  readonly fault: FaultKind = "protocol";
  override get message(): string {
    return `${this.where}: ${this.detail}`;
  }
}

/** The connection under the channel ended. */
export class ChannelLost extends Data.TaggedError("ChannelLost")<{
  /** The transport's reason, or `undefined` if the peer closed in good order. */
  readonly cause: unknown;
}> {
  readonly fault: FaultKind = "peerClosed";
  override get message(): string {
    return this.cause instanceof Error ? `the connection broke: ${this.cause.message}` : "the other side hung up";
  }
}

/** A channel ended by a bug of ours. */
export class ChannelDefect extends Data.TaggedError("ChannelDefect")<{ readonly cause: Cause.Cause<unknown> }> {
  readonly fault: FaultKind = "bug";
}

/** TCP and TLS, or the link handshake, did not end in time. */
export class ChannelTimeout extends Data.TaggedError("ChannelTimeout")<{ readonly step: "connect" | "handshake" }> {
  readonly fault: FaultKind = "timeout";
  override get message(): string {
    return this.step === "connect" ? "no connection in time" : "no link handshake in time";
  }
}

/** Which bound of ours was reached. */
export type ChannelBound =
  /** No free circuit ID was found. */
  | "circuitIds"
  /** Circuits of a channel. */
  | "circuits"
  /** Connections of an address that has not authenticated. */
  | "channelsPerAddress"
  /** Whoever was asked whether to admit a connection said no. */
  | "notAdmitted"
  /** TLS handshakes of incoming connections under way. */
  | "tlsHandshakes"
  /** Link handshakes of incoming connections under way. */
  | "linkHandshakes";

/** A bound of ours was reached. */
export class ChannelLimit extends Data.TaggedError("ChannelLimit")<{
  readonly limit: ChannelBound;
}> {
  readonly fault: FaultKind = "resource";
  override get message(): string {
    return `a bound is reached: ${this.limit}`;
  }
}

/** The channel manager is closed, or closed while a channel was waited for. */
export class ChannelsClosed extends Data.TaggedError("ChannelsClosed") {
  readonly fault: FaultKind = "resource";
  override get message(): string {
    return "no channel is opened any more";
  }
}
