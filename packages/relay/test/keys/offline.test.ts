import { assert, describe, it } from "@effect/vitest";
import { Effect, FileSystem } from "effect";
import { TestClock } from "effect/testing";
import {
  ed25519Text,
  encryptedMasterName,
  KeyFileError,
  KeyMissingError,
  keyFileNames,
  newSigningKey,
  publicIdentity,
  readIdentity,
  SIGNING_KEY_LIFETIME_MILLIS,
  SigningKeyError,
} from "../../src/index.ts";
import { dataDirectory, platform, self, start } from "./support/disk.ts";

const noon = Date.UTC(2026, 0, 31, 12, 0, 0);
const { masterSecret, masterPublic, signingSecret, signingCertificate } = keyFileNames;

/** A relay's data directory, and the safe in which its identity is kept from now on. */
const offline = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem;
  yield* TestClock.setTime(noon);
  const dataDir = yield* dataDirectory;
  const first = yield* start(dataDir);
  const safe = `${yield* dataDirectory}/${masterSecret}`;
  yield* fs.rename(`${dataDir}/keys/${masterSecret}`, safe);
  return { fs, dataDir, safe, identity: publicIdentity(first.current()), first };
});

describe("an identity that is kept offline", () => {
  it.effect("is not needed to run: the certificate of the signing key is enough", () =>
    Effect.gen(function* () {
      const { fs, dataDir, identity, first } = yield* offline;
      const store = yield* start(dataDir);
      assert.isFalse(yield* store.hasMasterKey);
      assert.deepStrictEqual(publicIdentity(store.current()), identity);
      assert.deepStrictEqual(store.current().signing.certificate, first.current().signing.certificate);
      assert.deepStrictEqual(yield* readIdentity({ dataDir, owner: self }), identity);
      // As `tor`: the certificate tells the identity, if its own file was lost.
      yield* fs.remove(`${dataDir}/keys/${masterPublic}`);
      assert.deepStrictEqual(publicIdentity((yield* start(dataDir)).current()), identity);
      assert.isTrue(yield* fs.exists(`${dataDir}/keys/${masterPublic}`));
      assert.isFalse(yield* fs.exists(`${dataDir}/keys/${masterSecret}`));
    }).pipe(Effect.provide(platform)),
  );

  it.effect("is refused once that certificate has ended, and says what to do", () =>
    Effect.gen(function* () {
      const { fs, dataDir } = yield* offline;
      const store = yield* start(dataDir);
      yield* TestClock.setTime(store.current().signing.expiresAt - 1);
      assert.isFalse(yield* store.renewSigningKey);
      yield* start(dataDir);
      yield* TestClock.adjust(1);
      const error = new SigningKeyError({
        problem: "expired",
        path: `${dataDir}/keys/${signingCertificate}`,
        master: `${dataDir}/keys/${masterSecret}`,
        encrypted: false,
      });
      assert.deepStrictEqual(yield* Effect.flip(store.renewSigningKey), error);
      assert.deepStrictEqual(yield* Effect.flip(start(dataDir)), error);
      assert.include(error.message, "has expired");
      assert.include(error.message, "allium-relay keygen --new-signing-key");
      yield* fs.writeFileString(`${dataDir}/keys/${encryptedMasterName}`, "");
      assert.include((yield* Effect.flip(start(dataDir))).message, "tor --keygen");
    }).pipe(Effect.provide(platform)),
  );

  it.effect("is refused without a signing key, or without its certificate", () =>
    Effect.gen(function* () {
      for (const name of [signingSecret, signingCertificate]) {
        const { fs, dataDir } = yield* offline;
        yield* fs.remove(`${dataDir}/keys/${name}`);
        const error = yield* Effect.flip(start(dataDir));
        assert.instanceOf(error, SigningKeyError);
        assert.deepInclude(error, { problem: "missing", path: `${dataDir}/keys/${name}` });
        assert.include(error.message, "is missing");
      }
    }).pipe(Effect.provide(platform)),
  );

  it.effect("certifies a new signing key elsewhere, which the running relay takes when it is copied to it", () =>
    Effect.gen(function* () {
      const { fs, dataDir, safe, identity } = yield* offline;
      const store = yield* start(dataDir);
      const before = store.current().signing;
      yield* TestClock.adjust("25 days");
      const elsewhere = yield* dataDirectory;
      const made = yield* newSigningKey({
        dataDir: elsewhere,
        owner: self,
        masterKeyFile: safe,
        lifetimeMillis: 2 * SIGNING_KEY_LIFETIME_MILLIS,
      });
      assert.strictEqual(made.identity.toString("base64").replace("=", ""), ed25519Text(identity));
      assert.deepStrictEqual((yield* fs.readDirectory(`${elsewhere}/keys`)).sort(), [
        masterPublic,
        signingCertificate,
        signingSecret,
      ]);
      assert.isFalse(yield* store.renewSigningKey, "nothing has changed here yet");
      yield* fs.copyFile(`${elsewhere}/keys/${signingSecret}`, `${dataDir}/keys/${signingSecret}`);
      assert.instanceOf(yield* Effect.flip(store.renewSigningKey), KeyFileError, "half of it");
      assert.strictEqual(store.current().signing, before);
      yield* fs.copyFile(`${elsewhere}/keys/${signingCertificate}`, `${dataDir}/keys/${signingCertificate}`);
      assert.isTrue(yield* store.renewSigningKey);
      assert.strictEqual(store.current().signing.expiresAt, made.expiresAt);
      // Certificates end at whole hours.
      const lifetime = made.expiresAt - (noon + 25 * 86_400_000);
      assert.isTrue(lifetime >= 2 * SIGNING_KEY_LIFETIME_MILLIS);
      assert.isTrue(lifetime <= 2 * SIGNING_KEY_LIFETIME_MILLIS + 3_600_000);
      assert.deepStrictEqual(
        (yield* start(dataDir)).current().signing.certificate,
        store.current().signing.certificate,
      );
    }).pipe(Effect.provide(platform)),
  );

  it.effect("certifies a new signing key where all keys are, and none for another relay", () =>
    Effect.gen(function* () {
      const { dataDir, safe } = yield* offline;
      const missing = yield* Effect.flip(newSigningKey({ dataDir, owner: self }));
      assert.deepStrictEqual(missing, new KeyMissingError({ path: `${dataDir}/keys/${masterSecret}` }));
      const other = yield* dataDirectory;
      const store = yield* start(other);
      const refused = yield* Effect.flip(newSigningKey({ dataDir: other, owner: self, masterKeyFile: safe }));
      assert.instanceOf(refused, KeyFileError);
      assert.deepInclude(refused, { path: safe, problem: "mismatch" });
      yield* TestClock.adjust("1 day");
      yield* newSigningKey({ dataDir: other, owner: self });
      assert.isTrue(yield* store.renewSigningKey);
    }).pipe(Effect.provide(platform)),
  );

  it.effect("is not read from a file that others can read", () =>
    Effect.gen(function* () {
      const { fs, safe } = yield* offline;
      yield* fs.chmod(safe, 0o644);
      const elsewhere = yield* dataDirectory;
      const refused = yield* Effect.flip(newSigningKey({ dataDir: elsewhere, owner: self, masterKeyFile: safe }));
      assert.deepInclude(refused, { _tag: "KeyPermissionsError", path: safe, problem: "mode" });
      yield* fs.chmod(safe, 0o600);
      yield* fs.writeFileString(safe, "hello");
      const damaged = yield* Effect.flip(newSigningKey({ dataDir: elsewhere, owner: self, masterKeyFile: safe }));
      assert.deepInclude(damaged, { _tag: "KeyFileError", path: safe, problem: "not-a-key-file" });
    }).pipe(Effect.provide(platform)),
  );
});
