import type { Ed25519ExpandedKey, RsaKeyPair } from "@allium/crypto";
import { Effect } from "effect";
import { IncompleteIdentityError, KeyFileError, type KeyStoreError } from "./errors.ts";
import type { KeyDirectory, KeyFile } from "./key-directory.ts";
import {
  type KeyBytes,
  keyFileNames,
  readEd25519Secret,
  readMasterPublic,
  readRsaKey,
  readSigningCertificate,
} from "./key-files.ts";

/** Runs a reader of a file's content: a KeyFileError that it throws is a failure, anything else a bug. */
export const readContent = <A>(read: () => A): Effect.Effect<A, KeyFileError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(read());
    } catch (error) {
      return error instanceof KeyFileError ? Effect.fail(error) : Effect.die(error);
    }
  });

/** Reads one file if it is there; what is wrong with its content is a typed failure. */
export const loadFile = <A>(
  directory: KeyDirectory,
  name: string,
  read: (path: string, bytes: KeyBytes) => A,
): Effect.Effect<(KeyFile & { readonly key: A }) | undefined, KeyStoreError> =>
  Effect.gen(function* () {
    if (!(yield* directory.exists(name))) return undefined;
    const file = yield* directory.read(name);
    const key = yield* readContent(() => read(directory.path(name), file.bytes));
    return { ...file, key };
  });

/** The same, if only the key is of interest. */
export const loadKey = <A>(
  directory: KeyDirectory,
  name: string,
  read: (path: string, bytes: KeyBytes) => A,
): Effect.Effect<A | undefined, KeyStoreError> => Effect.map(loadFile(directory, name, read), (file) => file?.key);

/** The secret half of the Ed25519 identity, if it is here. Nobody keeps it longer than it takes to sign. */
export const loadMasterKey = (directory: KeyDirectory): Effect.Effect<Ed25519ExpandedKey | undefined, KeyStoreError> =>
  loadKey(directory, keyFileNames.masterSecret, (path, bytes) => readEd25519Secret(path, bytes, "type0"));

/**
 * The public Ed25519 identity, 32 bytes: from its secret half, from its own file, or from the certificate of the signing key,
 * whichever is there, in this order. All that are there must agree.
 */
export const loadMasterPublic = Effect.fnUntraced(function* (directory: KeyDirectory) {
  const { masterPublic, masterSecret, signingCertificate } = keyFileNames;
  const sources: ReadonlyArray<readonly [name: string, identity: Buffer | undefined]> = [
    [masterSecret, (yield* loadMasterKey(directory))?.publicKey],
    [masterPublic, yield* loadKey(directory, masterPublic, readMasterPublic)],
    [signingCertificate, (yield* loadKey(directory, signingCertificate, readSigningCertificate))?.identity],
  ];
  let known: { readonly name: string; readonly identity: Buffer } | undefined;
  for (const [name, identity] of sources) {
    if (identity === undefined) continue;
    known ??= { name, identity };
    if (!identity.equals(known.identity))
      return yield* new KeyFileError({
        path: directory.path(name),
        problem: "mismatch",
        detail: `it belongs to another identity than ${directory.path(known.name)}`,
      });
  }
  return known?.identity;
});

/** Both identities, or neither. Of the Ed25519 one only the public half is needed. */
export const loadIdentities = Effect.fnUntraced(function* (
  directory: KeyDirectory,
): Effect.fn.Return<{ readonly rsa: RsaKeyPair; readonly ed25519: Buffer } | undefined, KeyStoreError> {
  const { rsaIdentity, masterSecret, masterPublic } = keyFileNames;
  const rsa = yield* loadKey(directory, rsaIdentity, readRsaKey);
  const ed25519 = yield* loadMasterPublic(directory);
  if (rsa !== undefined && ed25519 !== undefined) return { rsa, ed25519 };
  if (rsa === undefined && ed25519 === undefined) return undefined;
  const [missing, present] = rsa === undefined ? [rsaIdentity, masterPublic] : [masterSecret, rsaIdentity];
  return yield* new IncompleteIdentityError({ missing: directory.path(missing), present: directory.path(present) });
});
