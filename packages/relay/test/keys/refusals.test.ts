import { assert, describe, it } from "@effect/vitest";
import { Effect, FileSystem, PlatformError } from "effect";
import {
  IncompleteIdentityError,
  KeyFileError,
  type KeyFileProblem,
  KeyMissingError,
  KeyPermissionsError,
  KeyStorageError,
  keyFileNames,
  readIdentity,
} from "../../src/index.ts";
import { dataDirectory, platform, self, start } from "./support/disk.ts";

/** A data directory with the keys of a relay that has run before. */
const usedDirectory = Effect.tap(dataDirectory, (dataDir) => start(dataDir));

/** What a start on the directory is refused with. */
const refusal = (dataDir: string, owner = self) => Effect.flip(start(dataDir, owner));

describe("keys that others can get at", () => {
  for (const { name, path, mode, expectedMode } of [
    { name: "a file that the group can read", path: "keys/secret_id_key", mode: 0o640, expectedMode: 0o600 },
    {
      name: "a file that everybody can read",
      path: "keys/ed25519_master_id_secret_key",
      mode: 0o604,
      expectedMode: 0o600,
    },
    { name: "a file that others can write", path: "keys/secret_onion_key_ntor", mode: 0o602, expectedMode: 0o600 },
    { name: "a directory of keys that the group can list", path: "keys", mode: 0o740, expectedMode: 0o700 },
    { name: "a directory of keys that others can enter", path: "keys", mode: 0o701, expectedMode: 0o700 },
    { name: "a data directory that the group can write into", path: "", mode: 0o770, expectedMode: 0o700 },
  ]) {
    it.effect(`refuses ${name}`, () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem;
        const dataDir = yield* usedDirectory;
        const at = path === "" ? dataDir : `${dataDir}/${path}`;
        yield* fs.chmod(at, mode);
        const error = yield* refusal(dataDir);
        assert.deepStrictEqual(
          error,
          new KeyPermissionsError({ path: at, problem: "mode", mode, expectedMode, owner: self }),
        );
        assert.include(error.message, `${at} has mode 0${mode.toString(8)}`);
        assert.include(error.message, `chmod 0${expectedMode.toString(8)} ${at}`);

        yield* fs.chmod(at, expectedMode);
        yield* start(dataDir);
      }).pipe(Effect.provide(platform)),
    );
  }

  it.effect("accepts a data directory that others can read: there are no secrets in it but the keys", () =>
    Effect.gen(function* () {
      const dataDir = yield* usedDirectory;
      yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.chmod(dataDir, 0o755));
      yield* start(dataDir);
    }).pipe(Effect.provide(platform)),
  );

  it.effect("refuses what belongs to another user", () =>
    Effect.gen(function* () {
      const dataDir = yield* usedDirectory;
      const error = yield* refusal(dataDir, (self ?? 0) + 1);
      assert.instanceOf(error, KeyPermissionsError);
      assert.deepInclude(error, { path: dataDir, problem: "owner", owner: self });
      assert.include(error.message, `belongs to user ${self}`);
    }).pipe(Effect.provide(platform)),
  );

  it.effect("refuses a directory in the place of a file, and a file in the place of a directory", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const dataDir = yield* usedDirectory;
      const file = `${dataDir}/keys/${keyFileNames.onion}`;
      yield* fs.remove(file);
      yield* fs.makeDirectory(file, { mode: 0o700 });
      const first = yield* refusal(dataDir);
      assert.deepInclude(first, { _tag: "KeyPermissionsError", path: file, problem: "kind", expectedMode: 0o600 });
      assert.include(first.message, "expected a plain file");

      yield* fs.remove(`${dataDir}/keys`, { recursive: true });
      yield* fs.writeFileString(`${dataDir}/keys`, "", { mode: 0o600 });
      const second = yield* refusal(dataDir);
      assert.deepInclude(second, { _tag: "KeyPermissionsError", path: `${dataDir}/keys`, problem: "kind" });
      assert.include(second.message, "expected a directory");
    }).pipe(Effect.provide(platform)),
  );

  it.effect("writes nothing into a directory that it refuses", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const dataDir = yield* dataDirectory;
      yield* fs.chmod(dataDir, 0o777);
      assert.instanceOf(yield* refusal(dataDir), KeyPermissionsError);
      assert.deepStrictEqual(yield* fs.readDirectory(dataDir), []);
    }).pipe(Effect.provide(platform)),
  );
});

describe("identities that do not go together", () => {
  const { rsaIdentity, masterPublic, masterSecret, signingCertificate } = keyFileNames;
  for (const { missing, present, gone } of [
    { missing: rsaIdentity, present: masterPublic, gone: [rsaIdentity] },
    { missing: masterSecret, present: rsaIdentity, gone: [masterSecret, masterPublic, signingCertificate] },
  ]) {
    it.effect(`does not replace ${missing} alone`, () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem;
        const dataDir = yield* usedDirectory;
        for (const name of gone) yield* fs.remove(`${dataDir}/keys/${name}`);
        const error = new IncompleteIdentityError({
          missing: `${dataDir}/keys/${missing}`,
          present: `${dataDir}/keys/${present}`,
        });
        assert.deepStrictEqual(yield* refusal(dataDir), error);
        assert.deepStrictEqual(yield* Effect.flip(readIdentity({ dataDir, owner: self })), error);
        assert.include(error.message, "from a backup");
        assert.isFalse(yield* fs.exists(`${dataDir}/keys/${missing}`));
      }).pipe(Effect.provide(platform)),
    );
  }

  it.effect("says that there are no keys, and makes none, when it is asked who the relay is", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const dataDir = `${yield* dataDirectory}/not-yet`;
      const error = yield* Effect.flip(readIdentity({ dataDir, owner: self }));
      assert.deepStrictEqual(error, new KeyMissingError({ path: `${dataDir}/keys/${keyFileNames.rsaIdentity}` }));
      assert.include(error.message, "does not exist");
      assert.isFalse(yield* fs.exists(dataDir));
    }).pipe(Effect.provide(platform)),
  );
});

const header = (text: string): Buffer => Buffer.concat([Buffer.from(text), Buffer.alloc(32 - text.length)]);

describe("damaged key files", () => {
  const scalar = Buffer.alloc(64, 7);
  const cases: ReadonlyArray<{
    readonly what: string;
    readonly file: keyof typeof keyFileNames;
    readonly bytes: Buffer;
    readonly problem: KeyFileProblem;
  }> = [
    { what: "an empty file", file: "masterSecret", bytes: Buffer.alloc(0), problem: "not-a-key-file" },
    { what: "a text", file: "masterSecret", bytes: Buffer.from("hello\n".repeat(10)), problem: "not-a-key-file" },
    {
      what: "a file that was cut within its header",
      file: "masterSecret",
      bytes: Buffer.from("== ed25519v1-secret: type0 =="),
      problem: "not-a-key-file",
    },
    {
      what: "a signing key in the place of the identity",
      file: "masterSecret",
      bytes: Buffer.concat([header("== ed25519v1-secret: type4 =="), scalar]),
      problem: "wrong-kind",
    },
    {
      what: "a public key in the place of a secret one",
      file: "masterSecret",
      bytes: Buffer.concat([header("== ed25519v1-public: type0 =="), scalar]),
      problem: "wrong-kind",
    },
    {
      what: "a file that was cut within the key",
      file: "masterSecret",
      bytes: Buffer.concat([header("== ed25519v1-secret: type0 =="), scalar.subarray(1)]),
      problem: "bad-length",
    },
    {
      what: "a key with something behind it",
      file: "masterPublic",
      bytes: Buffer.concat([header("== ed25519v1-public: type0 =="), scalar]),
      problem: "bad-length",
    },
    {
      what: "a scalar that is none",
      file: "signingSecret",
      bytes: Buffer.concat([header("== ed25519v1-secret: type4 =="), scalar]),
      problem: "bad-key",
    },
    {
      what: "an onion key whose halves do not go together",
      file: "onion",
      bytes: Buffer.concat([header("== c25519v1: onion =="), scalar]),
      problem: "mismatch",
    },
    {
      what: "a previous onion key that was cut",
      file: "previousOnion",
      bytes: header("== c25519v1: onion =="),
      problem: "bad-length",
    },
    { what: "something else than PEM", file: "rsaIdentity", bytes: Buffer.from("hello\n"), problem: "bad-key" },
    {
      what: "a certificate that is none",
      file: "signingCertificate",
      bytes: Buffer.concat([header("== ed25519v1-cert: type4 =="), Buffer.from([1, 4])]),
      problem: "bad-certificate",
    },
  ];
  for (const { what, file, bytes, problem } of cases) {
    it.effect(`refuses ${what}`, () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem;
        const dataDir = yield* usedDirectory;
        const path = `${dataDir}/keys/${keyFileNames[file]}`;
        yield* fs.writeFile(path, bytes, { mode: 0o600 });
        const error = yield* refusal(dataDir);
        assert.instanceOf(error, KeyFileError);
        assert.deepStrictEqual({ path: error.path, problem: error.problem }, { path, problem });
        assert.include(error.message, `${path}: `);
        assert.deepStrictEqual(Buffer.from(yield* fs.readFile(path)), bytes, "the file is left as it was");
      }).pipe(Effect.provide(platform)),
    );
  }

  it.effect("refuses an RSA identity of another size", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const dataDir = yield* usedDirectory;
      const store = yield* start(dataDir);
      const path = `${dataDir}/keys/${keyFileNames.rsaIdentity}`;
      const { privateKey } = store.current().tlsKey;
      yield* fs.writeFileString(path, privateKey.export({ format: "pem", type: "pkcs1" }).toString());
      const error = yield* refusal(dataDir);
      assert.deepInclude(error, { _tag: "KeyFileError", path, problem: "bad-key" });
      assert.include(error.message, "2048 bits instead of 1024");
    }).pipe(Effect.provide(platform)),
  );

  it.effect("refuses an identity, or a certificate, of another relay", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const other = yield* usedDirectory;
      const { masterPublic, masterSecret, signingCertificate } = keyFileNames;
      for (const [foreign, at] of [
        [masterPublic, masterPublic],
        [masterSecret, masterPublic],
        [signingCertificate, signingCertificate],
      ] as const) {
        const dataDir = yield* usedDirectory;
        yield* fs.copyFile(`${other}/keys/${foreign}`, `${dataDir}/keys/${foreign}`);
        const path = `${dataDir}/keys/${at}`;
        assert.deepInclude(yield* refusal(dataDir), { _tag: "KeyFileError", path, problem: "mismatch" });
      }
    }).pipe(Effect.provide(platform)),
  );
});

describe("a disk that fails", () => {
  /** The platform's files, except that renaming fails as on a full or broken disk. */
  const brokenRename = Effect.updateService(FileSystem.FileSystem, (fs) =>
    Object.assign(Object.create(fs) as FileSystem.FileSystem, {
      rename: () =>
        Effect.fail(
          PlatformError.systemError({
            _tag: "Unknown",
            module: "FileSystem",
            method: "rename",
            description: "disk full",
          }),
        ),
    }),
  );

  it.effect("leaves the old key in force, on disk and in memory, and no rest of the new one", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const dataDir = yield* usedDirectory;
      const path = `${dataDir}/keys/${keyFileNames.previousTapOnion}`;
      const before = yield* fs.readDirectory(`${dataDir}/keys`);
      const store = yield* brokenRename(start(dataDir));
      const keys = store.current();

      const error = yield* Effect.flip(store.rotateOnionKey);
      assert.instanceOf(error, KeyStorageError);
      assert.strictEqual(error.path, path);
      assert.include(error.message, "disk full");
      assert.strictEqual(store.current(), keys);
      assert.deepStrictEqual(yield* fs.readDirectory(`${dataDir}/keys`), before);
      assert.deepStrictEqual((yield* start(dataDir)).current().onionKey, keys.onionKey);
    }).pipe(Effect.provide(platform)),
  );

  it.effect("says what it could not read", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const file = `${yield* dataDirectory}/file`;
      yield* fs.writeFileString(file, "");
      const error = yield* Effect.flip(readIdentity({ dataDir: `${file}/below`, owner: self }));
      assert.deepInclude(error, { _tag: "KeyStorageError", path: `${file}/below` });
      assert.include(error.message, `${file}/below: `);
    }).pipe(Effect.provide(platform)),
  );
});
