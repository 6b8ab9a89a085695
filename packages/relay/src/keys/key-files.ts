import {
  CertificateError,
  CertType,
  Ed25519ExpandedKey,
  ed25519ExpandedLength,
  ed25519KeyLength,
  KeyError,
  parseEd25519Certificate,
  type RsaKeyPair,
  rsaIdentityBits,
  rsaKeyPairFromPem,
  rsaKeyPairToPem,
  verifyEd25519Certificate,
  X25519KeyPair,
  x25519KeyLength,
} from "@allium/crypto";
import { Redacted } from "effect";
import { KeyFileError, type KeyFileProblem } from "./errors.ts";
import type { SigningKey } from "./relay-keys.ts";
import { readTagged, writeTagged } from "./tagged-file.ts";

/** What a key file holds, or shall hold. */
export type KeyBytes = Redacted.Redacted<Buffer>;

/** Names of the files below `keys`. They, and what is in them, are `tor`'s: a relay can be moved from one to the other and back. */
export const keyFileNames = {
  /** The RSA identity: PEM (PKCS#1). */
  rsaIdentity: "secret_id_key",
  /** The Ed25519 identity. It may be kept elsewhere: the relay needs it for new signing keys alone. */
  masterSecret: "ed25519_master_id_secret_key",
  /** Its public half. */
  masterPublic: "ed25519_master_id_public_key",
  /** The medium-term signing key. */
  signingSecret: "ed25519_signing_secret_key",
  /** What the identity says about it. */
  signingCertificate: "ed25519_signing_cert",
  /** The onion key for ntor. The time of its last change is when it was made. */
  onion: "secret_onion_key_ntor",
  /** The one before it, as long as clients may still use it. */
  previousOnion: "secret_onion_key_ntor.old",
  /** The onion key for TAP: PEM (PKCS#1). */
  tapOnion: "secret_onion_key",
  /** The one before it. */
  previousTapOnion: "secret_onion_key.old",
} as const;

/** The identity as `tor --keygen` keeps it if it was given a passphrase. Only `tor` can read it. */
export const encryptedMasterName = "ed25519_master_id_secret_key_encrypted";

const fail = (path: string, problem: KeyFileProblem, detail: string) => new KeyFileError({ path, problem, detail });

/** Turns what is wrong with key material into what is wrong with its file. */
const asFileError = <A>(path: string, read: () => A): A => {
  try {
    return read();
  } catch (error) {
    if (error instanceof KeyError) throw fail(path, "bad-key", `the key cannot be used: ${error.problem}`);
    throw error;
  }
};

/**
 * Reads an RSA key of 1024 bits.
 *
 * @throws KeyFileError if it is none
 */
export const readRsaKey = (path: string, file: KeyBytes): RsaKeyPair => {
  const pair = asFileError(path, () => rsaKeyPairFromPem(Redacted.value(file).toString("latin1")));
  if (pair.publicKey.bits !== rsaIdentityBits)
    throw fail(path, "bad-key", `the key has ${pair.publicKey.bits} bits instead of ${rsaIdentityBits}`);
  return pair;
};

/** The PEM text of an RSA key. */
export const writeRsaKey = (pair: RsaKeyPair): KeyBytes => Redacted.make(Buffer.from(rsaKeyPairToPem(pair), "latin1"));

/** The tag that `tor` gives a key, from the certificate type that it has a part in: none for an identity, 4 for a signing key. */
type Ed25519Tag = "type0" | "type4";

/**
 * Reads an Ed25519 secret key.
 *
 * @throws KeyFileError if the file is damaged, or holds another kind of key
 */
export const readEd25519Secret = (path: string, file: KeyBytes, tag: Ed25519Tag): Ed25519ExpandedKey =>
  asFileError(path, () =>
    Ed25519ExpandedKey.fromExpanded(
      readTagged(path, Redacted.value(file), "ed25519v1-secret", tag, ed25519ExpandedLength),
    ),
  );

/** The file of an Ed25519 secret key. */
export const writeEd25519Secret = (key: Ed25519ExpandedKey, tag: Ed25519Tag): KeyBytes =>
  Redacted.make(writeTagged("ed25519v1-secret", tag, key.expanded()));

/**
 * Reads the public Ed25519 identity, 32 bytes.
 *
 * @throws KeyFileError if the file is damaged
 */
export const readMasterPublic = (path: string, file: KeyBytes): Buffer =>
  readTagged(path, Redacted.value(file), "ed25519v1-public", "type0", ed25519KeyLength);

/** The file of the public Ed25519 identity. */
export const writeMasterPublic = (identity: Uint8Array): KeyBytes =>
  Redacted.make(writeTagged("ed25519v1-public", "type0", identity));

/** A signing certificate as it is on disk: well signed, but by whom is for the caller to say. */
export interface StoredCertificate {
  readonly encoded: Buffer;
  /** The identity that it names, and that has signed it; 32 bytes. */
  readonly identity: Buffer;
  /** The signing key that it is for, 32 bytes. */
  readonly signingKey: Buffer;
  /** Milliseconds since the epoch. An expired certificate is no error here. */
  readonly expiresAt: number;
}

/**
 * Reads the certificate of the signing key.
 *
 * @throws KeyFileError if it is damaged
 */
export const readSigningCertificate = (path: string, file: KeyBytes): StoredCertificate => {
  const encoded = readTagged(path, Redacted.value(file), "ed25519v1-cert", "type4");
  try {
    const parsed = parseEd25519Certificate(encoded);
    const identity = verifyEd25519Certificate(parsed, {
      certType: CertType.IdentityVerifiesSigning,
      now: parsed.expiresAt,
    });
    return { encoded: parsed.encoded, identity, signingKey: parsed.certifiedKey, expiresAt: parsed.expiresAt };
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw fail(path, "bad-certificate", `the certificate is not to be believed: ${error.problem}`);
  }
};

/** The file of the certificate of a signing key. */
export const writeSigningCertificate = ({ certificate }: SigningKey): KeyBytes =>
  Redacted.make(writeTagged("ed25519v1-cert", "type4", certificate));

const onionTag = "onion";

/**
 * Reads an onion key for ntor.
 *
 * @throws KeyFileError if the file is damaged
 */
export const readOnionKey = (path: string, file: KeyBytes): X25519KeyPair => {
  const body = readTagged(path, Redacted.value(file), "c25519v1", onionTag, 2 * x25519KeyLength);
  const pair = asFileError(path, () => X25519KeyPair.fromSecret(body.subarray(0, x25519KeyLength)));
  if (!pair.publicKey.equals(body.subarray(x25519KeyLength)))
    throw fail(path, "mismatch", "its public key is not that of its secret key");
  return pair;
};

/** The file of an onion key for ntor: the secret and the public key. */
export const writeOnionKey = (key: X25519KeyPair): KeyBytes =>
  Redacted.make(writeTagged("c25519v1", onionTag, Buffer.concat([key.secret(), key.publicKey])));
