import { Entropy } from "@allium/channel";
import {
  CertType,
  Ed25519ExpandedKey,
  ed25519KeyLength,
  expiryHours,
  expiryMillis,
  signEd25519Certificate,
} from "@allium/crypto";
import { Clock, Effect } from "effect";
import { KeyFileError, type KeyStoreError, SigningKeyError } from "./errors.ts";
import { loadKey, loadMasterKey } from "./identity.ts";
import type { KeyDirectory } from "./key-directory.ts";
import {
  encryptedMasterName,
  keyFileNames,
  readEd25519Secret,
  readSigningCertificate,
  writeEd25519Secret,
  writeSigningCertificate,
} from "./key-files.ts";
import type { SigningKey } from "./relay-keys.ts";

/**
 * The signing key on disk, with its certificate, whether that has expired or not; `undefined` if one of the two is missing.
 *
 * @param identity the public Ed25519 identity, whose certificate it must be
 * @returns fails with KeyFileError `mismatch` if the two files do not belong together, as after a crash between them
 */
export const loadSigningKey = Effect.fnUntraced(function* (
  directory: KeyDirectory,
  identity: Buffer,
): Effect.fn.Return<SigningKey | undefined, KeyStoreError> {
  const { signingSecret, signingCertificate } = keyFileNames;
  const key = yield* loadKey(directory, signingSecret, (path, bytes) => readEd25519Secret(path, bytes, "type4"));
  const certificate = yield* loadKey(directory, signingCertificate, readSigningCertificate);
  if (key === undefined || certificate === undefined) return undefined;
  const mismatch = (detail: string) =>
    new KeyFileError({ path: directory.path(signingCertificate), problem: "mismatch", detail });
  if (!certificate.identity.equals(identity)) return yield* mismatch("the certificate is of another relay");
  if (!certificate.signingKey.equals(key.publicKey))
    return yield* mismatch("the certificate is for another signing key");
  return { key, certificate: certificate.encoded, expiresAt: certificate.expiresAt };
});

/** Makes a signing key, certifies it, and writes both. */
export const makeSigningKey = Effect.fnUntraced(function* (
  directory: KeyDirectory,
  master: Ed25519ExpandedKey,
  lifetimeMillis: number,
): Effect.fn.Return<SigningKey, KeyStoreError, Entropy> {
  const { bytes } = yield* Entropy;
  const now = yield* Clock.currentTimeMillis;
  const key = Ed25519ExpandedKey.fromSeed(bytes(ed25519KeyLength));
  const expiresAt = expiryMillis(expiryHours(now + lifetimeMillis));
  const certificate = signEd25519Certificate(
    { certType: CertType.IdentityVerifiesSigning, certifiedKey: key.publicKey, expiresAt, includeSigningKey: true },
    master,
  );
  const signing: SigningKey = { key, certificate, expiresAt };
  yield* directory.write(keyFileNames.signingSecret, { bytes: writeEd25519Secret(key, "type4"), madeAt: now });
  yield* directory.write(keyFileNames.signingCertificate, { bytes: writeSigningCertificate(signing), madeAt: now });
  return signing;
});

/** What keeps a relay whose identity is not here from having a signing key. */
const signingKeyError = Effect.fnUntraced(function* (directory: KeyDirectory, problem: SigningKeyError["problem"]) {
  const { signingSecret, signingCertificate, masterSecret } = keyFileNames;
  const isThere = yield* directory.exists(signingSecret);
  return yield* new SigningKeyError({
    problem,
    path: directory.path(problem === "missing" && !isThere ? signingSecret : signingCertificate),
    master: directory.path(masterSecret),
    encrypted: yield* directory.exists(encryptedMasterName),
  });
});

/** How a signing key is kept up. */
export interface SigningKeyOptions {
  readonly identity: Buffer;
  readonly lifetimeMillis: number;
  /** A certificate that ends sooner than this is replaced, if the identity is here. */
  readonly renewalMillis: number;
}

/** The signing key as it should be now: the one on disk, or a new one if that is missing or about to end and the identity is here. */
export const currentSigningKey = Effect.fnUntraced(function* (
  directory: KeyDirectory,
  { identity, lifetimeMillis, renewalMillis }: SigningKeyOptions,
): Effect.fn.Return<SigningKey, KeyStoreError, Entropy> {
  const master = yield* loadMasterKey(directory);
  const stored = yield* loadSigningKey(directory, identity).pipe(
    // What a crash has torn apart can be made anew where the identity is.
    Effect.catchIf(
      (error) =>
        error._tag === "KeyFileError" && error.problem === "mismatch" && master?.publicKey.equals(identity) === true,
      () => Effect.void,
    ),
  );
  const now = yield* Clock.currentTimeMillis;
  if (stored !== undefined && now < stored.expiresAt - renewalMillis) return stored;
  if (master !== undefined) return yield* makeSigningKey(directory, master, lifetimeMillis);
  if (stored === undefined) return yield* signingKeyError(directory, "missing");
  if (now >= stored.expiresAt) return yield* signingKeyError(directory, "expired");
  return stored;
});
