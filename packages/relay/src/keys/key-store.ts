import { Entropy } from "@allium/channel";
import {
  CertType,
  Ed25519KeyPair,
  ed25519KeyLength,
  expiryHours,
  expiryMillis,
  generateLinkKey,
  generateRsaIdentity,
  type RsaKeyPair,
  signEd25519Certificate,
  X25519KeyPair,
  x25519KeyLength,
} from "@allium/crypto";
import { Clock, Context, Effect, type FileSystem, Layer, type Path, type Redacted, Semaphore } from "effect";
import { IncompleteIdentityError, KeyFileError, KeyMissingError, type KeyStoreError } from "./errors.ts";
import { type KeyDirectory, type KeyDirectoryOptions, memoryKeyDirectory, openKeyDirectory } from "./key-directory.ts";
import * as files from "./key-files.ts";
import type { OnionKey, PublicIdentity, RelayKeys, SigningKey } from "./relay-keys.ts";
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
     * Makes a new signing key if the certificate of the present one ends within {@link SIGNING_KEY_RENEWAL_MILLIS}, or has
     * ended. Opening the store does this too; after that it is for a task to ask once in a while.
     *
     * @returns whether there is a new one
     */
    readonly renewSigningKey: Effect.Effect<boolean, KeyStoreError>;
    /** Makes a new onion key; the present one becomes the previous one, and the one before that is forgotten. */
    readonly rotateOnionKey: Effect.Effect<void, KeyStoreError>;
  }
>()("allium/relay/KeyStore") {}

/** Reads one file if it is there; what is wrong with its content is a typed failure. */
const load = <A>(
  directory: KeyDirectory,
  name: string,
  read: (path: string, text: Redacted.Redacted<string>) => A,
): Effect.Effect<A | undefined, KeyStoreError> =>
  Effect.gen(function* () {
    if (!(yield* directory.exists(name))) return undefined;
    const text = yield* directory.read(name);
    return yield* Effect.try({
      try: () => read(directory.path(name), text),
      catch: (error) => error,
    }).pipe(Effect.catch((error) => (error instanceof KeyFileError ? Effect.fail(error) : Effect.die(error))));
  });

/** Both identities, or neither. */
const loadIdentities = Effect.fnUntraced(function* (directory: KeyDirectory) {
  const names = files.keyFileNames;
  const rsa = yield* load(directory, names.rsaIdentity, files.readRsaKey);
  const ed25519 = yield* load(directory, names.ed25519Identity, files.readEd25519Identity);
  if (rsa !== undefined && ed25519 !== undefined) return { rsa, ed25519 };
  if (rsa === undefined && ed25519 === undefined) return undefined;
  const [missing, present] =
    rsa === undefined ? [names.rsaIdentity, names.ed25519Identity] : [names.ed25519Identity, names.rsaIdentity];
  return yield* new IncompleteIdentityError({ missing: directory.path(missing), present: directory.path(present) });
});

const certifySigningKey = (identity: Ed25519KeyPair, key: Ed25519KeyPair, now: number): SigningKey => {
  const expiresAt = expiryMillis(expiryHours(now + SIGNING_KEY_LIFETIME_MILLIS));
  const certificate = signEd25519Certificate(
    {
      certType: CertType.IdentityVerifiesSigning,
      certifiedKey: key.publicKey,
      expiresAt,
      includeSigningKey: true,
    },
    identity,
  );
  return { key, certificate, expiresAt };
};

const open = Effect.fnUntraced(function* (directory: KeyDirectory, rsaKeys: RsaKeySource) {
  const entropy = yield* Entropy;
  const clock = yield* Clock.Clock;
  const names = files.keyFileNames;

  const newSigningKey = (identity: Ed25519KeyPair): Effect.Effect<SigningKey, KeyStoreError> =>
    Effect.suspend(() => {
      const key = Ed25519KeyPair.fromSeed(entropy.bytes(ed25519KeyLength));
      const signing = certifySigningKey(identity, key, clock.currentTimeMillisUnsafe());
      return Effect.as(directory.write(names.signing, files.writeSigningKey(signing)), signing);
    });
  const endsSoon = (signing: SigningKey): boolean =>
    clock.currentTimeMillisUnsafe() >= signing.expiresAt - SIGNING_KEY_RENEWAL_MILLIS;
  const newOnionKeys = (previous: OnionKey | undefined): Effect.Effect<files.OnionKeys, KeyStoreError> =>
    Effect.suspend(() => {
      const now = clock.currentTimeMillisUnsafe();
      const key = X25519KeyPair.fromSecret(entropy.bytes(x25519KeyLength));
      const onion = { current: { key, createdAt: now - (now % 1_000) }, previous };
      return Effect.as(directory.write(names.onion, files.writeOnionKeys(onion)), onion);
    });
  const newIdentities = Effect.gen(function* () {
    const rsa = yield* Effect.promise(rsaKeys.identity);
    const ed25519 = Ed25519KeyPair.fromSeed(entropy.bytes(ed25519KeyLength));
    yield* directory.write(names.ed25519Identity, files.writeEd25519Identity(ed25519));
    yield* directory.write(names.rsaIdentity, files.writeRsaKey(rsa));
    return { rsa, ed25519 };
  });
  const newTapKey = Effect.gen(function* () {
    const tap = yield* Effect.promise(rsaKeys.identity);
    yield* directory.write(names.tapOnion, files.writeRsaKey(tap));
    return tap;
  });

  const { rsa, ed25519 } = (yield* loadIdentities(directory)) ?? (yield* newIdentities);
  const known = yield* load(directory, names.signing, (path, text) =>
    files.readSigningKey(path, text, ed25519.publicKey),
  );
  const signing = known === undefined || endsSoon(known) ? yield* newSigningKey(ed25519) : known;
  const onion = (yield* load(directory, names.onion, files.readOnionKeys)) ?? (yield* newOnionKeys(undefined));
  const tapOnionKey = (yield* load(directory, names.tapOnion, files.readRsaKey)) ?? (yield* newTapKey);
  const tlsKey = yield* Effect.promise(rsaKeys.link);

  let keys: RelayKeys = {
    rsaIdentity: rsa,
    ed25519Identity: ed25519.publicKey,
    signing,
    onionKey: onion.current,
    previousOnionKey: onion.previous,
    tapOnionKey,
    tlsKey,
  };
  // A change is a write and then an assignment: two at once must not lose one of them.
  const { withPermit } = yield* Semaphore.make(1);
  return KeyStore.of({
    current: () => keys,
    renewSigningKey: withPermit(
      Effect.gen(function* () {
        if (!endsSoon(keys.signing)) return false;
        keys = { ...keys, signing: yield* newSigningKey(ed25519) };
        return true;
      }),
    ),
    rotateOnionKey: withPermit(
      Effect.gen(function* () {
        const { current, previous } = yield* newOnionKeys(keys.onionKey);
        keys = { ...keys, onionKey: current, previousOnionKey: previous };
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
  if (identities === undefined)
    return yield* new KeyMissingError({ path: directory.path(files.keyFileNames.rsaIdentity) });
  const identity: PublicIdentity = {
    rsaIdentity: identities.rsa.publicKey,
    ed25519Identity: identities.ed25519.publicKey,
  };
  return identity;
});
