import type { IpAddress } from "../ip.ts";

/** The link protocols that the sender supports. tor-spec 4.1. */
export interface Versions {
  readonly _tag: "VERSIONS";
  readonly versions: ReadonlyArray<number>;
}

/** What a certificate in CERTS is, by its CertType. Others may come and are to be ignored. tor-spec 4.2. */
export const CertType = {
  /** X.509, TLS link key, signed with the RSA identity. */
  RSA_LINK: 1,
  /** X.509, RSA identity, self-signed. */
  RSA_ID: 2,
  /** X.509, RSA key for AUTHENTICATE, signed with the RSA identity. */
  RSA_AUTH: 3,
  /** Ed25519 signing key, signed with the Ed25519 identity. */
  ED_SIGNING: 4,
  /** TLS link certificate, signed with the Ed25519 signing key. */
  ED_LINK: 5,
  /** Ed25519 key for AUTHENTICATE, signed with the Ed25519 signing key. */
  ED_AUTH: 6,
  /** Ed25519 identity, signed with the RSA identity. */
  RSA_ED_CROSS: 7,
} as const;

/** One certificate of a CERTS cell, not looked into. `type` is a {@link CertType} or an unknown byte. */
export interface CellCert {
  readonly type: number;
  readonly body: Buffer;
}

/** Certificates of the sender's identity. No CertType occurs twice. tor-spec 4.2. */
export interface Certs {
  readonly _tag: "CERTS";
  readonly certs: ReadonlyArray<CellCert>;
}

/** How an initiator may authenticate. tor-spec 4.3. */
export const AuthMethod = {
  RSA_SHA256_TLSSECRET: 1,
  ED25519_SHA256_RFC5705: 3,
} as const;

/** Random bytes that the initiator has to sign to authenticate, and the methods the responder accepts. tor-spec 4.3. */
export interface AuthChallenge {
  readonly _tag: "AUTH_CHALLENGE";
  /** 32 bytes. */
  readonly challenge: Buffer;
  /** {@link AuthMethod} or unknown numbers. */
  readonly methods: ReadonlyArray<number>;
}

/** The initiator's proof of identity. tor-spec 4.4. */
export interface Authenticate {
  readonly _tag: "AUTHENTICATE";
  /** {@link AuthMethod} or an unknown number. */
  readonly method: number;
  /** The Authentication field: `AUTH0003` and what follows it, for method 3. */
  readonly authentication: Buffer;
}

/** An address of a type, or of a length for its type, that is not defined: to be ignored. tor-spec 4.5. */
export interface UnknownAddress {
  readonly family: "unknown";
  readonly type: number;
  readonly value: Buffer;
}

/** @see Netinfo */
export type NetinfoAddress = IpAddress | UnknownAddress;

/** Ends the handshake: the sender's time, the receiver's address as the sender sees it, the sender's own. tor-spec 4.5. */
export interface Netinfo {
  readonly _tag: "NETINFO";
  /** Seconds since 1970 on the sender's clock; 0 from a client. */
  readonly timestamp: number;
  readonly otherAddress: NetinfoAddress;
  readonly myAddresses: ReadonlyArray<NetinfoAddress>;
}

/** A fixed-length cell to be dropped: keep-alive or link padding. tor-spec 7.2. */
export interface Padding {
  readonly _tag: "PADDING";
}

/** A variable-length cell to be dropped. tor-spec 7.2. */
export interface VPadding {
  readonly _tag: "VPADDING";
  /** Bytes of padding in the body. */
  readonly length: number;
}

/** @see PaddingNegotiate */
export const PaddingNegotiateCommand = { STOP: 1, START: 2 } as const;

/** A client asks its guard to send or stop sending link padding, from link protocol 5 on. padding-spec 2.2. */
export interface PaddingNegotiate {
  readonly _tag: "PADDING_NEGOTIATE";
  readonly command: (typeof PaddingNegotiateCommand)[keyof typeof PaddingNegotiateCommand];
  /** Lower bound of the time between padding cells, in milliseconds; the receiver clamps it. */
  readonly itoLowMs: number;
  /** Upper bound of the time between padding cells, in milliseconds; the receiver clamps it. */
  readonly itoHighMs: number;
}

/** Reserved for a use that was never defined; ignored where it may come. tor-spec 4. */
export interface Authorize {
  readonly _tag: "AUTHORIZE";
  readonly body: Buffer;
}

/** The TAP handshake of old, read so that it can be refused. tor-spec 5.1. */
export interface Create {
  readonly _tag: "CREATE";
  /** 186 bytes. */
  readonly handshake: Buffer;
}

/** @see Create */
export interface Created {
  readonly _tag: "CREATED";
  /** 148 bytes. */
  readonly handshake: Buffer;
}

/** Asks for a one-hop circuit keyed without public keys. tor-spec 5.1.5. */
export interface CreateFast {
  readonly _tag: "CREATE_FAST";
  /** X, 20 bytes. */
  readonly keyMaterial: Buffer;
}

/** Answers {@link CreateFast}. tor-spec 5.1.5. */
export interface CreatedFast {
  readonly _tag: "CREATED_FAST";
  /** Y, 20 bytes. */
  readonly keyMaterial: Buffer;
  /** KH, 20 bytes: proof that both derived the same keys. */
  readonly derivativeKeyData: Buffer;
}

/** HTYPE of CREATE2 and EXTEND2: which handshake HDATA belongs to. tor-spec 5.1; proposal 332 for ntor-v3. */
export const HandshakeType = { TAP: 0, NTOR: 2, NTOR_V3: 3 } as const;

/** Asks for a circuit. tor-spec 5.1. */
export interface Create2 {
  readonly _tag: "CREATE2";
  /** {@link HandshakeType} or an unknown number. */
  readonly handshakeType: number;
  /** HDATA, at most 505 bytes. */
  readonly handshake: Buffer;
}

/** Answers {@link Create2}. tor-spec 5.1. */
export interface Created2 {
  readonly _tag: "CREATED2";
  /** HDATA, at most 507 bytes. */
  readonly handshake: Buffer;
}

/** Ends a circuit. tor-spec 5.4. */
export interface Destroy {
  readonly _tag: "DESTROY";
  /** A `DestroyReason` or an unknown byte. */
  readonly reason: number;
}

/** A channel or relay command that is not defined, or not understood: to be dropped without a warning. tor-spec 3, 6.1. */
export interface Unrecognized {
  readonly _tag: "UNRECOGNIZED";
  readonly command: number;
}

/**
 * Every message of a channel but RELAY and RELAY_EARLY, whose bodies stay bytes in a slab. The tag is the name of the
 * command; byte fields are copies and outlive the buffer that they were read from.
 */
export type ChannelMessage =
  | Versions
  | Certs
  | AuthChallenge
  | Authenticate
  | Netinfo
  | Padding
  | VPadding
  | PaddingNegotiate
  | Authorize
  | Create
  | Created
  | CreateFast
  | CreatedFast
  | Create2
  | Created2
  | Destroy;
