import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { layerEntropy } from "@allium/channel";
import { KeyStore, layerKeyStore } from "@allium/relay";
import { NodeServices } from "@effect/platform-node";
import { afterAll, assert, beforeAll, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { describeWithTor } from "../network/vitest.ts";
import { LoneTor } from "./support/lone-tor.ts";

const PROGRAM = resolve(import.meta.dirname, "../../apps/relay/src/main.ts");

/** What `allium-relay` says of a data directory: the RSA fingerprint, and the Ed25519 identity. */
const allium = async (
  command: "keygen" | "fingerprint",
  dataDir: string,
): Promise<ReadonlyArray<string | undefined>> => {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, command, "--data-dir", dataDir]);
  const [, rsa] = /^(?:Zwiebel )?([0-9A-F]{40})$/m.exec(stdout) ?? [];
  const [, ed25519] = /^ed25519 ([A-Za-z0-9+/]{43})$/m.exec(stdout) ?? [];
  return [rsa, ed25519];
};

/** The key files of a data directory, and what is in them. */
const filesOf = (dataDir: string): Readonly<Record<string, string>> => {
  const directory = join(dataDir, "keys");
  const names = readdirSync(directory).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(directory, name), "base64")]));
};

/** What happens to the keys while Allium runs for a month: new onion keys, and a new signing key. */
const liveWithAllium = (dataDir: string): Promise<void> =>
  Effect.gen(function* () {
    // Half a day before the end of what `tor`, or Allium, has just signed.
    yield* TestClock.setTime(Date.now() + 29.5 * 86_400_000);
    yield* Effect.gen(function* () {
      const store = yield* KeyStore;
      yield* store.rotateOnionKey;
      yield* store.rotateOnionKey;
      yield* store.renewSigningKey;
    }).pipe(Effect.provide(layerKeyStore({ dataDir, owner: process.getuid?.() })));
  }).pipe(Effect.provide([NodeServices.layer, layerEntropy, TestClock.layer()]), Effect.scoped, Effect.runPromise);

/** Runs `tor` on the keys for a moment; who it says that it is. */
const runTor = async (dataDir: string): Promise<ReadonlyArray<string | undefined>> => {
  await using tor = await LoneTor.start(dataDir);
  assert.deepStrictEqual(tor.warnings(), []);
  return tor.identities();
};

describeWithTor("the keys of a relay", () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "allium-keys-"));
  });

  afterAll(() => rmSync(directory, { recursive: true }));

  const dataDirectory = (name: string): string => {
    const path = join(directory, name);
    mkdirSync(path, { mode: 0o700 });
    return path;
  };

  it("move from tor to Allium, live there, and move back: it is the same relay all the way", async () => {
    const dataDir = dataDirectory("of-tor");
    const identities = await runTor(dataDir);
    assert.notInclude(identities, undefined);
    assert.deepStrictEqual(await allium("fingerprint", dataDir), identities);
    const before = filesOf(dataDir);
    await liveWithAllium(dataDir);
    const after = filesOf(dataDir);
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    assert.deepStrictEqual(changed, [
      "ed25519_signing_cert",
      "ed25519_signing_secret_key",
      "secret_onion_key",
      "secret_onion_key.old",
      "secret_onion_key_ntor",
      "secret_onion_key_ntor.old",
    ]);
    assert.deepStrictEqual(await runTor(dataDir), identities);
    // `tor` goes on with what Allium has made: what it could not read it would make anew.
    assert.deepStrictEqual(filesOf(dataDir), after);
  });

  it("that Allium has made are those of a tor relay, and come back as they went", async () => {
    const dataDir = dataDirectory("of-allium");
    const identities = await allium("keygen", dataDir);
    assert.notInclude(identities, undefined);
    const before = filesOf(dataDir);
    assert.deepStrictEqual(await runTor(dataDir), identities);
    const after = filesOf(dataDir);
    for (const name of Object.keys(before)) assert.strictEqual(after[name], before[name], name);
    await liveWithAllium(dataDir);
    assert.deepStrictEqual(await allium("fingerprint", dataDir), identities);
    assert.deepStrictEqual(await runTor(dataDir), identities);
    for (const name of Object.keys(filesOf(dataDir)))
      assert.strictEqual(statSync(join(dataDir, "keys", name)).mode & 0o077, 0, name);
  });
});
