import { Entropy } from "@allium/channel";
import {
  Ed25519ExpandedKey,
  ed25519KeyLength,
  generateLinkKey,
  generateRsaIdentity,
  type RsaKeyPair,
} from "@allium/crypto";
import { Clock, Context, Effect, type FileSystem, Layer, type Path, Semaphore } from "effect";
import { KeyMissingError, type KeyStoreError } from "./errors.ts";
import { loadIdentities } from "./identity.ts";
import { type KeyDirectory, type KeyDirectoryOptions, memoryKeyDirectory, openKeyDirectory } from "./key-directory.ts";
import { keyFileNames, writeEd25519Secret, writeMasterPublic, writeRsaKey } from "./key-files.ts";
import { forgetPreviousOnionKeys, openOnionKeys, rotateOnionKeys } from "./onion.ts";
import type { PublicIdentity, RelayKeys } from "./relay-keys.ts";
import { currentSigningKey } from "./signing.ts";
import { SIGNING_KEY_LIFETIME_MILLIS, SIGNING_KEY_RENEWAL_MILLIS } from "./timeouts.ts";

/** Makes the RSA keys of a relay; tests put keys that they have made before in its place. */
export interface RsaKeySource {
  /** A key of 1024 bits: the identity, and the onion key for TAP. */
  readonly identity: () => Promise<RsaKeyPair>;
  /** A key of 2048 bits for TLS. */
  readonly link: () => Promise<RsaKeyPair>;
}

const platformRsa: RsaKeySource = { identity: generateRsaIdentity, link: generateLinkKey };

/** The keys of the relay: kept safe, renewed in time, never printed. */
export class KeyStore extends Context.Service<
  KeyStore,
  {
    /** The keys as they are now. A renewal replaces the whole object: compare references to see whether something changed. */
    readonly current: () => RelayKeys;
    /**
     * Makes a new signing key if the certificate of the present one ends within {@link SIGNING_KEY_RENEWAL_MILLIS}; takes the one on
     * disk, if the operator has put another one there. If the identity is kept offline, only the latter can help: then this
     * fails with SigningKeyError once the certificate has ended. Opening the store does all of this too.
     *
     * @returns whether there is a new one
     */
    readonly renewSigningKey: Effect.Effect<boolean, KeyStoreError>;
    /** Whether the secret half of the Ed25519 identity is here. Without it there are no new signing keys. */
    readonly hasMasterKey: Effect.Effect<boolean, KeyStoreError>;
    /** Makes new onion keys; the present ones become the previous ones, and those before them are forgotten. */
    readonly rotateOnionKey: Effect.Effect<void, KeyStoreError>;
    /** Forgets the previous onion keys. */
    readonly forgetPreviousOnionKey: Effect.Effect<void, KeyStoreError>;
  }
>()("allium/relay/KeyStore") {}

const newIdentities = Effect.fnUntraced(function* (
  directory: KeyDirectory,
  rsaKeys: RsaKeySource,
): Effect.fn.Return<{ readonly rsa: RsaKeyPair; readonly ed25519: Buffer }, KeyStoreError, Entropy> {
  const { bytes } = yield* Entropy;
  const rsa = yield* Effect.promise(rsaKeys.identity);
  const master = Ed25519ExpandedKey.fromSeed(bytes(ed25519KeyLength));
  const madeAt = yield* Clock.currentTimeMillis;
  yield* directory.write(keyFileNames.masterSecret, { bytes: writeEd25519Secret(master, "type0"), madeAt });
  yield* directory.write(keyFileNames.rsaIdentity, { bytes: writeRsaKey(rsa), madeAt });
  return { rsa, ed25519: master.publicKey };
});

const open = Effect.fnUntraced(function* (directory: KeyDirectory, rsaKeys: RsaKeySource) {
  const { rsa, ed25519 } = (yield* loadIdentities(directory)) ?? (yield* newIdentities(directory, rsaKeys));
  if (!(yield* directory.exists(keyFileNames.masterPublic))) {
    const madeAt = yield* Clock.currentTimeMillis;
    yield* directory.write(keyFileNames.masterPublic, { bytes: writeMasterPublic(ed25519), madeAt });
  }
  const signingKey = currentSigningKey(directory, {
    identity: ed25519,
    lifetimeMillis: SIGNING_KEY_LIFETIME_MILLIS,
    renewalMillis: SIGNING_KEY_RENEWAL_MILLIS,
  });
  const entropy = yield* Entropy;
  let keys: RelayKeys = {
    rsaIdentity: rsa,
    ed25519Identity: ed25519,
    signing: yield* signingKey,
    ...(yield* openOnionKeys(directory, rsaKeys.identity)),
    tlsKey: yield* Effect.promise(rsaKeys.link),
  };
  // A change is a write and then an assignment: two at once must not lose one of them.
  const { withPermit } = yield* Semaphore.make(1);
  return KeyStore.of({
    current: () => keys,
    renewSigningKey: withPermit(
      Effect.gen(function* () {
        const signing = yield* Effect.provideService(signingKey, Entropy, entropy);
        if (signing.certificate.equals(keys.signing.certificate)) return false;
        keys = { ...keys, signing };
        return true;
      }),
    ),
    hasMasterKey: directory.exists(keyFileNames.masterSecret),
    rotateOnionKey: withPermit(
      Effect.gen(function* () {
        const onion = yield* rotateOnionKeys(directory, rsaKeys.identity, keys).pipe(
          Effect.provideService(Entropy, entropy),
        );
        keys = { ...keys, ...onion };
      }),
    ),
    forgetPreviousOnionKey: withPermit(
      Effect.gen(function* () {
        yield* forgetPreviousOnionKeys(directory);
        keys = { ...keys, previousOnionKey: undefined };
      }),
    ),
  });
});

/** The store on disk, below the data directory. Keys that are not there are made. */
export const layer = (
  options: KeyDirectoryOptions,
): Layer.Layer<KeyStore, KeyStoreError, Entropy | FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    KeyStore,
    Effect.flatMap(openKeyDirectory(options, true), (directory) => open(directory, platformRsa)),
  );

/** A store that forgets everything with the process, for tests. RSA keys cannot be drawn from a seed: bring them if they must be the same. */
export const layerMemory = (rsaKeys: Partial<RsaKeySource> = {}): Layer.Layer<KeyStore, KeyStoreError, Entropy> =>
  Layer.effect(
    KeyStore,
    Effect.suspend(() => open(memoryKeyDirectory(), { ...platformRsa, ...rsaKeys })),
  );

/**
 * Who the relay is, from the keys on disk. Nothing is made or changed.
 *
 * @returns fails with KeyMissingError if there are no keys
 */
export const readIdentity = Effect.fnUntraced(function* (options: KeyDirectoryOptions) {
  const directory = yield* openKeyDirectory(options, false);
  const identities = yield* loadIdentities(directory);
  if (identities === undefined) return yield* new KeyMissingError({ path: directory.path(keyFileNames.rsaIdentity) });
  const identity: PublicIdentity = { rsaIdentity: identities.rsa.publicKey, ed25519Identity: identities.ed25519 };
  return identity;
});
