import type { Ed25519Signer, RsaKeyPair, RsaPublicKey, X25519KeyPair } from "@allium/crypto";
import type { ExitPolicy } from "../policy/exit-policy.ts";
import type { PortPolicy } from "../policy/port-policy.ts";
import type { Protocols } from "../protocols.ts";
import type { AddressAndPort } from "../values/address.ts";
import type { Fingerprint } from "../values/fingerprint.ts";
import type { UnixMillis } from "../values/time.ts";

/** What a relay is willing and able to carry, in bytes per second (dir-spec 2.1.1, `bandwidth`). */
export interface RelayBandwidth {
  /** What it carries in the long run. */
  readonly average: number;
  /** What it carries for a moment. */
  readonly burst: number;
  /** What it has been seen to carry. */
  readonly observed: number;
}

/** The digests by which a router descriptor names its extra-info document. */
export interface ExtraInfoDigests {
  /** SHA-1 of the part that is signed, in hexadecimal. */
  readonly sha1: string;
  /** SHA-256 of the whole document, in base64 without padding. */
  readonly sha256: string | undefined;
}

/** What a relay says about itself, apart from its keys (dir-spec 2.1.1). */
export interface RelayDescription {
  readonly nickname: string;
  /** Its IPv4 address. */
  readonly address: string;
  readonly orPort: number;
  /** Zero if there is none. */
  readonly dirPort: number;
  /** Further addresses; authorities look at the first one of IPv6. */
  readonly orAddresses: ReadonlyArray<AddressAndPort>;
  readonly bandwidth: RelayBandwidth;
  /** The software and what it runs on, as in `Tor 0.4.9.11 on Linux`. */
  readonly platform: string | undefined;
  /** When the descriptor was made; whole seconds. */
  readonly published: UnixMillis;
  /** Seconds since the relay started. */
  readonly uptime: number | undefined;
  /** Whether it is asleep and must not be used. */
  readonly hibernating: boolean;
  /** The subprotocols that it speaks. */
  readonly protocols: Protocols;
  /** How to reach the operator. */
  readonly contact: string | undefined;
  /** Relays of the same operator: nicknames, or `$` and a fingerprint. */
  readonly family: ReadonlyArray<string>;
  /** Its exit policy. What is read from a descriptor has rules about IPv4 only. */
  readonly policy: ExitPolicy;
  /** The summary of its policy for IPv6. */
  readonly ipv6Policy: PortPolicy;
  /** Its extra-info document, if it has one. */
  readonly extraInfo: ExtraInfoDigests | undefined;
  /** Whether it hands out extra-info documents of others. */
  readonly cachesExtraInfo: boolean;
  /** Whether it keeps descriptors of onion services. */
  readonly hiddenServiceDir: boolean;
  /** Whether it answers directory requests over its OR port. */
  readonly tunnelledDirServer: boolean;
  /** When it was overloaded last, if that was in the last three days; whole hours. */
  readonly overloadedAt: UnixMillis | undefined;
}

/** The keys with which a relay signs what it says about itself. */
export interface RelayIdentityKeys {
  /** The RSA identity, 1024 bits. */
  readonly rsaIdentity: RsaKeyPair;
  /** The certificate of the signing key by the Ed25519 identity (type 4), with the identity inside. */
  readonly signingCertificate: Uint8Array;
  /** The Ed25519 signing key. */
  readonly signingKey: Ed25519Signer;
}

/** The keys with which clients begin circuits, to be certified in the descriptor. */
export interface RelayOnionKeys {
  /** For ntor. */
  readonly ntor: X25519KeyPair;
  /**
   * For TAP, 1024 bits. Nobody uses that handshake any more, but authorities refuse a descriptor without the key ("Missing TAP
   * key in descriptor"); only `tor` from 0.4.9 on can read one.
   */
  readonly tap: RsaKeyPair | undefined;
  /** When the ntor key's certificate ends; `tor` takes the lifetime of the key, 28 days from publication. */
  readonly expiresAt: UnixMillis;
}

/** The public keys that a router descriptor proves. */
export interface RelayPublicKeys {
  /** The RSA identity. */
  readonly rsaIdentity: RsaPublicKey;
  /** Its name. */
  readonly fingerprint: Fingerprint;
  /** The Ed25519 identity, 32 bytes. */
  readonly ed25519Identity: Buffer;
  /** The Ed25519 signing key, 32 bytes. */
  readonly signingKey: Buffer;
  /** The onion key for ntor, 32 bytes. */
  readonly ntorOnionKey: Buffer;
  /** The onion key for TAP. */
  readonly tapOnionKey: RsaPublicKey | undefined;
}

/** A document that was signed, ready for upload. */
export interface SignedDocument {
  /** The text, which ends with a newline. */
  readonly text: string;
  /** SHA-1 of the part that is signed, in hexadecimal: its name in votes and requests. */
  readonly sha1: string;
  /** SHA-256 of the whole text, in base64 without padding. */
  readonly sha256: string;
}
