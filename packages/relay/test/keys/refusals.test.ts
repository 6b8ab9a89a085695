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
    { name: "a file that everybody can read", path: "keys/ed25519_identity", mode: 0o604, expectedMode: 0o600 },
    { name: "a file that others can write", path: "keys/ntor_onion", mode: 0o602, expectedMode: 0o600 },
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
  for (const [missing, present] of [
    [keyFileNames.rsaIdentity, keyFileNames.ed25519Identity],
    [keyFileNames.ed25519Identity, keyFileNames.rsaIdentity],
  ] as const) {
    it.effect(`does not replace ${missing} alone`, () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem;
        const dataDir = yield* usedDirectory;
        yield* fs.remove(`${dataDir}/keys/${missing}`);
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

const seed = Buffer.alloc(32, 7).toString("base64").replace("=", "");

describe("damaged key files", () => {
  const cases: ReadonlyArray<{
    readonly what: string;
    readonly file: keyof typeof keyFileNames;
    readonly text: string;
    readonly problem: KeyFileProblem;
    readonly line: number | undefined;
  }> = [
    { what: "an empty file", file: "ed25519Identity", text: "", problem: "not-a-key-file", line: 1 },
    {
      what: "tor's own file",
      file: "ed25519Identity",
      text: "== ed25519v1-secret: type0 ==\0\0\0",
      problem: "not-a-key-file",
      line: 1,
    },
    {
      what: "a file of a later version",
      file: "ed25519Identity",
      text: `allium-key 2 ed25519-identity\nseed ${seed}\n`,
      problem: "wrong-kind",
      line: 1,
    },
    {
      what: "a file of another kind",
      file: "ed25519Identity",
      text: `allium-key 1 ntor-onion\nseed ${seed}\n`,
      problem: "wrong-kind",
      line: 1,
    },
    {
      what: "a line that is not known",
      file: "ed25519Identity",
      text: `allium-key 1 ed25519-identity\nseed ${seed}\ncolour red\n`,
      problem: "bad-line",
      line: 3,
    },
    {
      what: "an empty line",
      file: "ed25519Identity",
      text: `allium-key 1 ed25519-identity\n\nseed ${seed}\n`,
      problem: "bad-line",
      line: 2,
    },
    {
      what: "a line that is there twice",
      file: "ed25519Identity",
      text: `allium-key 1 ed25519-identity\nseed ${seed}\nseed ${seed}\n`,
      problem: "bad-line",
      line: 3,
    },
    {
      what: "a file that was cut",
      file: "ed25519Identity",
      text: "allium-key 1 ed25519-identity\n",
      problem: "missing-field",
      line: undefined,
    },
    {
      what: "a seed that is not base64",
      file: "ed25519Identity",
      text: "allium-key 1 ed25519-identity\nseed !\n",
      problem: "bad-value",
      line: 2,
    },
    {
      what: "a seed that is too short",
      file: "ed25519Identity",
      text: "allium-key 1 ed25519-identity\nseed AAAA\n",
      problem: "bad-value",
      line: 2,
    },
    {
      what: "a time that is none",
      file: "onion",
      text: `allium-key 1 ntor-onion\nsecret ${seed}\ncreated yesterday\n`,
      problem: "bad-value",
      line: 3,
    },
    {
      what: "a date that does not exist",
      file: "onion",
      text: `allium-key 1 ntor-onion\nsecret ${seed}\ncreated 2026-02-31T00:00:00Z\n`,
      problem: "bad-value",
      line: 3,
    },
    {
      what: "half of a previous key",
      file: "onion",
      text: `allium-key 1 ntor-onion\nsecret ${seed}\ncreated 2026-01-31T00:00:00Z\nprevious-secret ${seed}\n`,
      problem: "missing-field",
      line: undefined,
    },
    { what: "something else than PEM", file: "rsaIdentity", text: "hello\n", problem: "bad-key", line: undefined },
    {
      what: "a certificate that is none",
      file: "signing",
      text: `allium-key 1 ed25519-signing\nseed ${seed}\ncertificate AAAA\n`,
      problem: "mismatch",
      line: undefined,
    },
  ];
  for (const { what, file, text, problem, line } of cases) {
    it.effect(`refuses ${what}`, () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem;
        const dataDir = yield* usedDirectory;
        const path = `${dataDir}/keys/${keyFileNames[file]}`;
        yield* fs.writeFileString(path, text);
        const error = yield* refusal(dataDir);
        assert.instanceOf(error, KeyFileError);
        assert.deepStrictEqual({ path: error.path, problem: error.problem, line: error.line }, { path, problem, line });
        assert.include(error.message, line === undefined ? `${path}: ` : `${path}:${line}: `);
        assert.notInclude(error.message, seed);
        assert.strictEqual(yield* fs.readFileString(path), text, "the file is left as it was");
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

  it.effect("refuses a signing key of another relay, and one whose certificate is for another key", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const dataDir = yield* usedDirectory;
      const other = yield* usedDirectory;
      const path = `${dataDir}/keys/${keyFileNames.signing}`;
      const own = yield* fs.readFileString(path);

      yield* fs.copyFile(`${other}/keys/${keyFileNames.signing}`, path);
      assert.deepInclude(yield* refusal(dataDir), { _tag: "KeyFileError", path, problem: "mismatch" });

      yield* fs.writeFileString(path, own.replace(/^seed .*$/m, `seed ${seed}`));
      const error = yield* refusal(dataDir);
      assert.deepInclude(error, { _tag: "KeyFileError", path, problem: "mismatch" });
      assert.include(error.message, "for another signing key");
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
      const path = `${dataDir}/keys/${keyFileNames.onion}`;
      const before = yield* fs.readFileString(path);
      const store = yield* brokenRename(start(dataDir));
      const keys = store.current();

      const error = yield* Effect.flip(store.rotateOnionKey);
      assert.instanceOf(error, KeyStorageError);
      assert.strictEqual(error.path, path);
      assert.include(error.message, "disk full");
      assert.strictEqual(store.current(), keys);
      assert.strictEqual(yield* fs.readFileString(path), before);
      assert.lengthOf(yield* fs.readDirectory(`${dataDir}/keys`), Object.keys(keyFileNames).length);
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
