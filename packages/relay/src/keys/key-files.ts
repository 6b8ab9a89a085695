import {
  CertificateError,
  CertType,
  Ed25519KeyPair,
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
import { formatKeyFile, type KeyFields, parseKeyFile } from "./key-file.ts";
import type { OnionKey, SigningKey } from "./relay-keys.ts";

/** Names of the files below `keys`. */
export const keyFileNames = {
  /** The RSA identity: PEM (PKCS#1), the same file as `tor`'s. */
  rsaIdentity: "secret_id_key",
  /** The Ed25519 identity: its seed. */
  ed25519Identity: "ed25519_identity",
  /** The medium-term signing key, and its certificate. */
  signing: "ed25519_signing",
  /** The onion key for ntor, and the one before it. */
  onion: "ntor_onion",
  /** The onion key for TAP: PEM (PKCS#1), the same file as `tor`'s. */
  tapOnion: "secret_onion_key",
} as const;

/** The current onion key and the one before it. */
export interface OnionKeys {
  readonly current: OnionKey;
  readonly previous: OnionKey | undefined;
}

const fail = (path: string, problem: KeyFileProblem, detail: string) =>
  new KeyFileError({ path, problem, line: undefined, detail });

/**
 * Reads an RSA key of 1024 bits.
 *
 * @throws KeyFileError if it is none
 */
export const readRsaKey = (path: string, text: Redacted.Redacted<string>): RsaKeyPair => {
  let pair: RsaKeyPair;
  try {
    pair = rsaKeyPairFromPem(Redacted.value(text));
  } catch (error) {
    if (error instanceof KeyError) throw fail(path, "bad-key", `this is no RSA private key in PEM: ${error.problem}`);
    throw error;
  }
  if (pair.publicKey.bits !== rsaIdentityBits)
    throw fail(path, "bad-key", `the key has ${pair.publicKey.bits} bits instead of ${rsaIdentityBits}`);
  return pair;
};

/** The PEM text of an RSA key. */
export const writeRsaKey = (pair: RsaKeyPair): Redacted.Redacted<string> => Redacted.make(rsaKeyPairToPem(pair));

const parse = (
  path: string,
  text: Redacted.Redacted<string>,
  kind: Parameters<typeof parseKeyFile>[2],
  names: ReadonlyArray<string>,
): KeyFields => parseKeyFile(path, Redacted.value(text), kind, names);

/**
 * Reads the Ed25519 identity.
 *
 * @throws KeyFileError if the file is damaged
 */
export const readEd25519Identity = (path: string, text: Redacted.Redacted<string>): Ed25519KeyPair =>
  Ed25519KeyPair.fromSeed(parse(path, text, "ed25519-identity", ["seed"]).bytes("seed", ed25519KeyLength));

/** The file of the Ed25519 identity. */
export const writeEd25519Identity = (identity: Ed25519KeyPair): Redacted.Redacted<string> =>
  Redacted.make(formatKeyFile("ed25519-identity", [["seed", identity.seed()]]));

/**
 * Reads the signing key. An expired certificate is no error: the caller makes a new one.
 *
 * @param identity the public Ed25519 identity that must have signed the certificate
 * @throws KeyFileError if the file is damaged, or belongs to another identity
 */
export const readSigningKey = (path: string, text: Redacted.Redacted<string>, identity: Uint8Array): SigningKey => {
  const fields = parse(path, text, "ed25519-signing", ["seed", "certificate"]);
  const key = Ed25519KeyPair.fromSeed(fields.bytes("seed", ed25519KeyLength));
  const certificate = fields.bytes("certificate");
  try {
    const parsed = parseEd25519Certificate(certificate);
    verifyEd25519Certificate(parsed, {
      certType: CertType.IdentityVerifiesSigning,
      signedBy: identity,
      now: parsed.expiresAt,
    });
    if (!parsed.certifiedKey.equals(key.publicKey))
      throw fail(path, "mismatch", "the certificate is for another signing key");
    return { key, certificate, expiresAt: parsed.expiresAt };
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw fail(path, "mismatch", `the certificate is not one of this relay's identity: ${error.problem}`);
  }
};

/** The file of the signing key. Key and certificate are one file, since one without the other is worth nothing. */
export const writeSigningKey = ({ key, certificate }: SigningKey): Redacted.Redacted<string> =>
  Redacted.make(
    formatKeyFile("ed25519-signing", [
      ["seed", key.seed()],
      ["certificate", certificate],
    ]),
  );

const onionFields = {
  current: { secret: "secret", created: "created" },
  previous: { secret: "previous-secret", created: "previous-created" },
} as const;

/**
 * Reads the onion keys.
 *
 * @throws KeyFileError if the file is damaged
 */
export const readOnionKeys = (path: string, text: Redacted.Redacted<string>): OnionKeys => {
  const { current, previous } = onionFields;
  const fields = parse(path, text, "ntor-onion", [current.secret, current.created, previous.secret, previous.created]);
  const read = (names: typeof current | typeof previous): OnionKey => ({
    key: X25519KeyPair.fromSecret(fields.bytes(names.secret, x25519KeyLength)),
    createdAt: fields.time(names.created),
  });
  const hasPrevious = fields.has(previous.secret) || fields.has(previous.created);
  return { current: read(current), previous: hasPrevious ? read(previous) : undefined };
};

/** The file of the onion keys. Both are one file, so that a rotation happens as a whole or not at all. */
export const writeOnionKeys = ({ current, previous }: OnionKeys): Redacted.Redacted<string> => {
  const write = (names: { readonly secret: string; readonly created: string }, onionKey: OnionKey) =>
    [
      [names.secret, onionKey.key.secret()],
      [names.created, onionKey.createdAt],
    ] as const;
  return Redacted.make(
    formatKeyFile("ntor-onion", [
      ...write(onionFields.current, current),
      ...(previous === undefined ? [] : write(onionFields.previous, previous)),
    ]),
  );
};
