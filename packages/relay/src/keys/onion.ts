import { Entropy } from "@allium/channel";
import { type RsaKeyPair, X25519KeyPair, x25519KeyLength } from "@allium/crypto";
import { Clock, Effect } from "effect";
import type { KeyStoreError } from "./errors.ts";
import { loadFile, loadKey } from "./identity.ts";
import type { KeyDirectory } from "./key-directory.ts";
import { keyFileNames, readOnionKey, readRsaKey, writeOnionKey, writeRsaKey } from "./key-files.ts";
import type { OnionKey } from "./relay-keys.ts";

/** The onion keys of a relay at one moment. */
export interface OnionKeys {
  readonly onionKey: OnionKey;
  readonly previousOnionKey: OnionKey | undefined;
  readonly tapOnionKey: RsaKeyPair;
}

/** Draws an RSA key of 1024 bits. */
type NewRsaKey = () => Promise<RsaKeyPair>;

const { onion, previousOnion, tapOnion, previousTapOnion } = keyFileNames;

const newOnionKey = Effect.fnUntraced(function* (
  directory: KeyDirectory,
): Effect.fn.Return<OnionKey, KeyStoreError, Entropy> {
  const { bytes } = yield* Entropy;
  const now = yield* Clock.currentTimeMillis;
  const made: OnionKey = { key: X25519KeyPair.fromSecret(bytes(x25519KeyLength)), createdAt: now - (now % 1_000) };
  yield* directory.write(onion, { bytes: writeOnionKey(made.key), madeAt: made.createdAt });
  return made;
});

const newTapKey = Effect.fnUntraced(function* (directory: KeyDirectory, draw: NewRsaKey) {
  const pair = yield* Effect.promise(draw);
  yield* directory.write(tapOnion, { bytes: writeRsaKey(pair), madeAt: yield* Clock.currentTimeMillis });
  return pair;
});

const loadOnionKey = Effect.fnUntraced(function* (
  directory: KeyDirectory,
  name: string,
): Effect.fn.Return<OnionKey | undefined, KeyStoreError> {
  const file = yield* loadFile(directory, name, readOnionKey);
  if (file === undefined) return undefined;
  const now = yield* Clock.currentTimeMillis;
  // A file from the future would never be rotated.
  const createdAt = Math.min(file.madeAt, now);
  return { key: file.key, createdAt: createdAt - (createdAt % 1_000) };
});

/** The onion keys on disk; those in use are made if they are missing. */
export const openOnionKeys = Effect.fnUntraced(function* (
  directory: KeyDirectory,
  drawRsa: NewRsaKey,
): Effect.fn.Return<OnionKeys, KeyStoreError, Entropy> {
  return {
    onionKey: (yield* loadOnionKey(directory, onion)) ?? (yield* newOnionKey(directory)),
    previousOnionKey: yield* loadOnionKey(directory, previousOnion),
    tapOnionKey: (yield* loadKey(directory, tapOnion, readRsaKey)) ?? (yield* newTapKey(directory, drawRsa)),
  };
});

/**
 * Makes new onion keys; the present ones become the previous ones. Each is written under its new name before the next takes its
 * place: a crash may lose the previous key, but never the present one.
 */
export const rotateOnionKeys = Effect.fnUntraced(function* (
  directory: KeyDirectory,
  drawRsa: NewRsaKey,
  present: OnionKeys,
): Effect.fn.Return<OnionKeys, KeyStoreError, Entropy> {
  const { onionKey, tapOnionKey } = present;
  const now = yield* Clock.currentTimeMillis;
  yield* directory.write(previousTapOnion, { bytes: writeRsaKey(tapOnionKey), madeAt: now });
  const tap = yield* newTapKey(directory, drawRsa);
  yield* directory.write(previousOnion, { bytes: writeOnionKey(onionKey.key), madeAt: onionKey.createdAt });
  return { onionKey: yield* newOnionKey(directory), previousOnionKey: onionKey, tapOnionKey: tap };
});

/** Forgets the previous onion keys, on disk too. */
export const forgetPreviousOnionKeys = (directory: KeyDirectory): Effect.Effect<void, KeyStoreError> =>
  Effect.andThen(directory.remove(previousTapOnion), directory.remove(previousOnion));
