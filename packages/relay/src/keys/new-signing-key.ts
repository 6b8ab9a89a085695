import { Clock, Effect } from "effect";
import { KeyFileError, KeyMissingError } from "./errors.ts";
import { loadMasterKey, loadMasterPublic, readContent } from "./identity.ts";
import { type KeyDirectoryOptions, openKeyDirectory, readKeyFile } from "./key-directory.ts";
import { keyFileNames, readEd25519Secret, writeMasterPublic } from "./key-files.ts";
import { makeSigningKey } from "./signing.ts";
import { SIGNING_KEY_LIFETIME_MILLIS } from "./timeouts.ts";

/** For whom a signing key is made, and how. */
export interface NewSigningKeyOptions extends KeyDirectoryOptions {
  /** Where the secret half of the identity is, as an absolute path. @default below `dataDir`, with the other keys */
  readonly masterKeyFile?: string | undefined;
  /** How long the certificate lives. @default SIGNING_KEY_LIFETIME_MILLIS */
  readonly lifetimeMillis?: number | undefined;
}

/**
 * Makes a signing key and its certificate where the identity is, for a relay that runs elsewhere without it. They replace those that
 * are below `dataDir`, which need not have any other key.
 *
 * @returns the public Ed25519 identity, and when the certificate ends, in milliseconds since the epoch
 */
export const newSigningKey = Effect.fnUntraced(function* (options: NewSigningKeyOptions) {
  const directory = yield* openKeyDirectory(options, true);
  const { masterPublic, masterSecret } = keyFileNames;
  const path = options.masterKeyFile ?? directory.path(masterSecret);
  const master =
    options.masterKeyFile === undefined
      ? yield* loadMasterKey(directory)
      : yield* Effect.flatMap(readKeyFile(path, options.owner), ({ bytes }) =>
          readContent(() => readEd25519Secret(path, bytes, "type0")),
        );
  if (master === undefined) return yield* new KeyMissingError({ path });
  const known = yield* loadMasterPublic(directory);
  if (known !== undefined && !known.equals(master.publicKey))
    return yield* new KeyFileError({
      path,
      problem: "mismatch",
      detail: `it is not the identity of the relay whose keys are in ${options.dataDir}`,
    });
  const { expiresAt } = yield* makeSigningKey(directory, master, options.lifetimeMillis ?? SIGNING_KEY_LIFETIME_MILLIS);
  if (!(yield* directory.exists(masterPublic)))
    yield* directory.write(masterPublic, {
      bytes: writeMasterPublic(master.publicKey),
      madeAt: yield* Clock.currentTimeMillis,
    });
  return { identity: master.publicKey, expiresAt };
});
