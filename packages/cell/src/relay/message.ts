import type { IpAddress } from "../ip.ts";
import type { Destination } from "./destination.ts";
import type { LinkSpecifier } from "./link-specifier.ts";

/** Bits of {@link Begin}'s flags. tor-spec 6.2. */
export const BeginFlag = {
  /** The client takes connections to IPv6 addresses. */
  IPV6_OKAY: 1,
  /** The client takes no connections to IPv4 addresses. */
  IPV4_NOT_OKAY: 2,
  /** If the name has addresses of both families, the client prefers IPv6. */
  IPV6_PREFERRED: 4,
} as const;

/** Opens a stream to a host. tor-spec 6.2. */
export interface Begin {
  readonly _tag: "BEGIN";
  readonly destination: Destination;
  /** 1 to 65535. */
  readonly port: number;
  /** {@link BeginFlag}s, or'ed. */
  readonly flags: number;
}

/** Opens a stream to the directory of the relay itself. tor-spec 6.2.1. */
export interface BeginDir {
  readonly _tag: "BEGIN_DIR";
}

/** Bytes of a stream. On the hot path they are not made into a message, but taken from the cell. tor-spec 6.2. */
export interface Data {
  readonly _tag: "DATA";
  readonly data: Buffer;
}

/** Closes a stream. tor-spec 6.3. */
export interface End {
  readonly _tag: "END";
  /** An `EndReason` or an unknown byte; MISC if the message was empty. */
  readonly reason: number;
  /** For EXITPOLICY: the address that the name led to, and for how many seconds that holds. */
  readonly resolved: ResolvedAddress | undefined;
}

/** @see End */
export interface ResolvedAddress {
  readonly address: IpAddress;
  /** Seconds; 4294967295 if the message gave none. */
  readonly ttl: number;
}

/** The stream is open. tor-spec 6.2. */
export interface Connected {
  readonly _tag: "CONNECTED";
  /** Where to; undefined for a directory stream. */
  readonly resolved: ResolvedAddress | undefined;
}

/** Looks up a name without opening a stream. tor-spec 6.4. */
export interface Resolve {
  readonly _tag: "RESOLVE";
  /** A name, the reverse name of an address (see `addressOfReverseName`), or an address, in canonical text or lower case. */
  readonly query: Destination;
}

/** One answer of {@link Resolved}. `ttl` is in seconds. */
export type ResolvedAnswer =
  | { readonly _tag: "ADDRESS"; readonly address: IpAddress; readonly ttl: number }
  | { readonly _tag: "HOSTNAME"; readonly name: string; readonly ttl: number }
  | { readonly _tag: "ERROR"; readonly transient: boolean; readonly ttl: number }
  | { readonly _tag: "UNKNOWN"; readonly type: number; readonly value: Buffer; readonly ttl: number };

/** Answers {@link Resolve}. tor-spec 6.4. */
export interface Resolved {
  readonly _tag: "RESOLVED";
  readonly answers: ReadonlyArray<ResolvedAnswer>;
}

/** The stream's peer stops sending until an {@link Xon}. Proposal 324, 4.1. */
export interface Xoff {
  readonly _tag: "XOFF";
}

/** The stream's peer may send. Proposal 324, 4.1. */
export interface Xon {
  readonly _tag: "XON";
  /** The rate at which the sender drains the stream, in kilobytes (1000 bytes) per second; 0 is no limit. */
  readonly kilobytesPerSecond: number;
}

/** Widens a window. Of a circuit: version 1 with the tag of the cell that triggered it. Of a stream: version 0. tor-spec 7.3.1. */
export type Sendme =
  | { readonly _tag: "SENDME"; readonly version: 0 }
  | {
      readonly _tag: "SENDME";
      readonly version: 1;
      /** 20 bytes with tor1 relay encryption, 16 with counter galois onion. */
      readonly tag: Buffer;
    };

/** Extends the circuit by a relay. tor-spec 5.1.2. */
export interface Extend2 {
  readonly _tag: "EXTEND2";
  readonly linkSpecifiers: ReadonlyArray<LinkSpecifier>;
  /** A `HandshakeType` or an unknown number. */
  readonly handshakeType: number;
  readonly handshake: Buffer;
}

/** Answers {@link Extend2}. tor-spec 5.1.2. */
export interface Extended2 {
  readonly _tag: "EXTENDED2";
  readonly handshake: Buffer;
}

/** The older EXTEND2, for the TAP handshake; read so that it can be refused. tor-spec 5.1.2. */
export interface Extend {
  readonly _tag: "EXTEND";
  /** Of family 4. */
  readonly address: IpAddress;
  readonly port: number;
  /** 186 bytes. */
  readonly handshake: Buffer;
  /** SHA-1 of the relay's RSA identity key, 20 bytes. */
  readonly rsaId: Buffer;
}

/** Answers {@link Extend}. */
export interface Extended {
  readonly _tag: "EXTENDED";
  /** 148 bytes. */
  readonly handshake: Buffer;
}

/** Cuts off the circuit behind the relay that it reaches. tor-spec 5.4. */
export interface Truncate {
  readonly _tag: "TRUNCATE";
}

/** The circuit behind the sender is gone. tor-spec 5.4. */
export interface Truncated {
  readonly _tag: "TRUNCATED";
  /** A `DestroyReason` or an unknown byte. */
  readonly reason: number;
}

/** Padding for the length of the circuit, to be dropped. tor-spec 7.2. */
export interface Drop {
  readonly _tag: "DROP";
}

/** @see CircuitPaddingNegotiate */
export const CircuitPaddingCommand = { STOP: 1, START: 2 } as const;

/** @see CircuitPaddingNegotiated */
export const CircuitPaddingResponse = { OK: 1, ERROR: 2 } as const;

type CircuitPaddingCommandNumber = (typeof CircuitPaddingCommand)[keyof typeof CircuitPaddingCommand];

/** Asks a relay to start or stop a circuit padding machine. padding-spec 3.2. */
export interface CircuitPaddingNegotiate {
  readonly _tag: "PADDING_NEGOTIATE";
  readonly command: CircuitPaddingCommandNumber;
  readonly machineType: number;
  readonly echoRequest: boolean;
  /** Which instance of the machine is meant; 0 means any. */
  readonly machineCounter: number;
}

/** Answers {@link CircuitPaddingNegotiate}. padding-spec 3.2. */
export interface CircuitPaddingNegotiated {
  readonly _tag: "PADDING_NEGOTIATED";
  readonly command: CircuitPaddingCommandNumber;
  readonly response: (typeof CircuitPaddingResponse)[keyof typeof CircuitPaddingResponse];
  readonly machineType: number;
  readonly machineCounter: number;
}

/** What a conflux endpoint wants of its peer's scheduling. Proposal 329, 2.1. */
export const ConfluxUx = {
  NO_OPINION: 0,
  MIN_LATENCY: 1,
  LOW_MEM_LATENCY: 2,
  HIGH_THROUGHPUT: 3,
  LOW_MEM_THROUGHPUT: 4,
} as const;

/** Version 1 of what CONFLUX_LINK and CONFLUX_LINKED carry. Proposal 329, 2.1. */
export interface ConfluxLinkPayload {
  /** 32 random bytes that name the set. A secret: it must not reach a log. */
  readonly nonce: Buffer;
  /** Absolute sequence number of the last message sent on the set; 0 on a first link. */
  readonly lastSeqnoSent: bigint;
  /** Absolute sequence number of the last message received on the set; 0 on a first link. */
  readonly lastSeqnoReceived: bigint;
  /** A {@link ConfluxUx} or an unknown byte. */
  readonly desiredUx: number;
  /**
   * In LINK, the sender can keep cells to send them again ({@link ConfluxRewind}), and offers to; in LINKED, the offer is taken. The number by which
   * {@link ConfluxLegEnded} names this leg; 32 bits. Not of proposal 329: only for those who are known to understand it.
   */
  readonly resumption?: number;
}

/** A client asks to link this circuit into a conflux set. Proposal 329, 2.1. */
export interface ConfluxLink extends ConfluxLinkPayload {
  readonly _tag: "CONFLUX_LINK";
}

/** Answers {@link ConfluxLink}. */
export interface ConfluxLinked extends ConfluxLinkPayload {
  readonly _tag: "CONFLUX_LINKED";
}

/** Answers {@link ConfluxLinked}, so that the exit can measure its round trip. Proposal 329, 2.1. */
export interface ConfluxLinkedAck {
  readonly _tag: "CONFLUX_LINKED_ACK";
}

/** The sender goes on on this leg. Proposal 329, 2.6. */
export interface ConfluxSwitch {
  readonly _tag: "CONFLUX_SWITCH";
  /** By how much the sequence number moves on from the last one on this leg; 32 bits. */
  readonly relativeSeqno: number;
}

/**
 * The sender sends cells again that went with another leg: the next one on this leg has an earlier number. Not of proposal 329: only between two ends
 * that have agreed to `resumption`.
 */
export interface ConfluxRewind {
  readonly _tag: "CONFLUX_REWIND";
  /** The absolute sequence number before that of the next cell on this leg. */
  readonly lastSeqno: bigint;
}

/**
 * Another leg of the set has ended at the sender's end: a relay may hold back the DESTROY that says so. Not of proposal 329: only between two ends
 * that have agreed to `resumption`.
 */
export interface ConfluxLegEnded {
  readonly _tag: "CONFLUX_LEG_ENDED";
  /** The number that LINK gave the leg; 32 bits. */
  readonly leg: number;
}

/**
 * Every relay message that this package reads and writes. The tag is the name of the command; byte fields are copies and
 * outlive the slab that they were read from.
 */
export type RelayMessage =
  | Begin
  | BeginDir
  | Data
  | End
  | Connected
  | Resolve
  | Resolved
  | Xoff
  | Xon
  | Sendme
  | Extend2
  | Extended2
  | Extend
  | Extended
  | Truncate
  | Truncated
  | Drop
  | CircuitPaddingNegotiate
  | CircuitPaddingNegotiated
  | ConfluxLink
  | ConfluxLinked
  | ConfluxLinkedAck
  | ConfluxSwitch
  | ConfluxRewind
  | ConfluxLegEnded;
