import type { LinkIdentityKeys } from "@allium/channel";
import {
  type Ed25519ExpandedKey,
  type HandshakeServerKeys,
  type RsaKeyPair,
  type RsaPublicKey,
  rsaIdentityDigest,
  type X25519KeyPair,
} from "@allium/crypto";
import { encodeBase64, encodeHex, type Fingerprint, type RelayIdentityKeys } from "@allium/netdoc";

/** The medium-term key that signs for the Ed25519 identity, and the identity's word for it (cert-spec, type 4). */
export interface SigningKey {
  readonly key: Ed25519ExpandedKey;
  /** The certificate, encoded, with the identity inside. */
  readonly certificate: Buffer;
  /** Milliseconds since the epoch at which the certificate ends. */
  readonly expiresAt: number;
}

/** A key for ntor handshakes. */
export interface OnionKey {
  readonly key: X25519KeyPair;
  /** Milliseconds since the epoch at which it was made; whole seconds. */
  readonly createdAt: number;
}

/**
 * The keys of a relay at one moment. Secrets are inside key objects, which show nothing when they are printed. The secret
 * half of the Ed25519 identity is not here: only the key store signs with it.
 */
export interface RelayKeys {
  /** The RSA identity, 1024 bits. */
  readonly rsaIdentity: RsaKeyPair;
  /** The Ed25519 identity, 32 bytes: its public half. */
  readonly ed25519Identity: Buffer;
  readonly signing: SigningKey;
  /** The onion key in the descriptor. */
  readonly onionKey: OnionKey;
  /** The one before it, for clients whose descriptor is older. */
  readonly previousOnionKey: OnionKey | undefined;
  /** The onion key of the TAP handshake. It is published, since authorities require one, and never used. */
  readonly tapOnionKey: RsaKeyPair;
  /** The key of the TLS server; made at each start and never written down. */
  readonly tlsKey: RsaKeyPair;
}

/** Who the relay is: what of its keys anybody may know. */
export interface PublicIdentity {
  readonly rsaIdentity: RsaPublicKey;
  /** 32 bytes. */
  readonly ed25519Identity: Buffer;
}

/** The public half of both identities. */
export const publicIdentity = (keys: RelayKeys): PublicIdentity => ({
  rsaIdentity: keys.rsaIdentity.publicKey,
  ed25519Identity: keys.ed25519Identity,
});

/** What circuit handshakes are answered with. */
export const handshakeServerKeys = (keys: RelayKeys): HandshakeServerKeys => ({
  rsaIdentity: rsaIdentityDigest(keys.rsaIdentity.publicKey),
  ed25519Identity: keys.ed25519Identity,
  onionKeys: keys.previousOnionKey === undefined ? [keys.onionKey.key] : [keys.onionKey.key, keys.previousOnionKey.key],
});

/** What link certificates are made from. */
export const linkIdentityKeys = (keys: RelayKeys): LinkIdentityKeys => ({
  rsaIdentity: keys.rsaIdentity,
  tlsKey: keys.tlsKey,
  ed25519Id: keys.ed25519Identity,
  signingKey: keys.signing.key,
  signingKeyCert: keys.signing.certificate,
  signingKeyExpiresAt: keys.signing.expiresAt,
});

/** What descriptors and extra-info documents are signed with. */
export const descriptorIdentityKeys = (keys: RelayKeys): RelayIdentityKeys => ({
  rsaIdentity: keys.rsaIdentity,
  signingCertificate: keys.signing.certificate,
  signingKey: keys.signing.key,
});

/** The relay's name in documents: SHA-1 of its RSA identity, 40 hexadecimal digits in upper case. */
export const fingerprintOf = (identity: PublicIdentity): Fingerprint =>
  encodeHex(rsaIdentityDigest(identity.rsaIdentity));

/** The Ed25519 identity in base64 without padding, as `master-key-ed25519` has it. */
export const ed25519Text = (identity: Pick<PublicIdentity, "ed25519Identity">): string =>
  encodeBase64(identity.ed25519Identity);

/** The line of `tor`'s `fingerprint` file: nickname and fingerprint. */
export const fingerprintLine = (nickname: string, identity: PublicIdentity): string =>
  `${nickname} ${fingerprintOf(identity)}`;
