import { assert, describe, it } from "@effect/vitest";
import { Effect, FileSystem } from "effect";
import { TestClock } from "effect/testing";
import { ed25519Text, fingerprintOf, publicIdentity } from "../../src/index.ts";
import { dataDirectory, platform, start } from "./support/disk.ts";
import torKeys from "./tor-keys.json" with { type: "json" };

/** A day after `tor` made the keys. */
const nextDay = Date.UTC(2026, 10, 22, 12, 0, 0);

/** A data directory with what `tor` has written. */
const torDirectory = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem;
  const dataDir = yield* dataDirectory;
  yield* fs.makeDirectory(`${dataDir}/keys`, { mode: 0o700 });
  for (const [name, base64] of Object.entries(torKeys.files))
    yield* fs.writeFile(`${dataDir}/keys/${name}`, Buffer.from(base64, "base64"), { mode: 0o600 });
  return { fs, dataDir };
});

describe("the keys of a tor relay", () => {
  it.effect("are taken over with both identities, and left as they are", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(nextDay);
      const { fs, dataDir } = yield* torDirectory;
      const keys = (yield* start(dataDir)).current();
      assert.strictEqual(fingerprintOf(publicIdentity(keys)), torKeys.fingerprint);
      assert.strictEqual(ed25519Text(publicIdentity(keys)), torKeys.ed25519);
      const names = yield* fs.readDirectory(`${dataDir}/keys`);
      assert.deepStrictEqual(names.sort(), Object.keys(torKeys.files));
      for (const [name, base64] of Object.entries(torKeys.files)) {
        const bytes = Buffer.from(yield* fs.readFile(`${dataDir}/keys/${name}`));
        assert.strictEqual(bytes.toString("base64"), base64, name);
      }
    }).pipe(Effect.provide(platform)),
  );

  it.effect("are rotated and renewed in tor's files", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(nextDay);
      const { fs, dataDir } = yield* torDirectory;
      const store = yield* start(dataDir);
      yield* TestClock.adjust("40 days");
      assert.isTrue(yield* store.renewSigningKey);
      yield* store.rotateOnionKey;
      for (const name of ["secret_onion_key", "secret_onion_key_ntor"] as const) {
        const old = Buffer.from(yield* fs.readFile(`${dataDir}/keys/${name}.old`));
        // `tor` ends its PEM files with a zero byte.
        const before = Buffer.from(torKeys.files[name], "base64");
        assert.deepStrictEqual(old, name.endsWith("ntor") ? before : before.subarray(0, -1));
      }
      const lengths: Record<string, number> = {};
      for (const name of yield* fs.readDirectory(`${dataDir}/keys`))
        lengths[name] = (yield* fs.readFile(`${dataDir}/keys/${name}`)).length;
      for (const [name, base64] of Object.entries(torKeys.files))
        if (!name.startsWith("secret_onion_key") || name.endsWith("ntor"))
          assert.strictEqual(lengths[name], Buffer.from(base64, "base64").length, name);
    }).pipe(Effect.provide(platform)),
  );
});
