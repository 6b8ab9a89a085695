import { inspect } from "node:util";
import { Entropy, LINK_IDENTITY_RANDOM_BYTES, layerEntropySeeded, makeLinkIdentity } from "@allium/channel";
import {
  CertType,
  generateLinkKey,
  generateRsaIdentity,
  parseEd25519Certificate,
  rsaIdentityDigest,
  verifyEd25519Certificate,
} from "@allium/crypto";
import { encodeHex } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect, FileSystem, Layer } from "effect";
import { TestClock } from "effect/testing";
import {
  descriptorIdentityKeys,
  ed25519Text,
  fingerprintLine,
  fingerprintOf,
  handshakeServerKeys,
  KeyStore,
  keyFileNames,
  layerKeyStoreMemory,
  linkIdentityKeys,
  publicIdentity,
  type RelayKeys,
  readIdentity,
  SIGNING_KEY_LIFETIME_MILLIS,
  SIGNING_KEY_RENEWAL_MILLIS,
} from "../../src/index.ts";
import { dataDirectory, platform, self, start } from "./support/disk.ts";

const millisPerDay = 86_400_000;
const millisPerHour = 3_600_000;
const noon = Date.UTC(2026, 0, 31, 12, 0, 0);

const rsa = { identity: await generateRsaIdentity(), link: await generateLinkKey() };
const memory = layerKeyStoreMemory({
  identity: () => Promise.resolve(rsa.identity),
  link: () => Promise.resolve(rsa.link),
}).pipe(Layer.provideMerge(layerEntropySeeded("memory")));

/** Runs a test with a store that was made at noon. */
const atNoon = <A, E>(test: Effect.Effect<A, E, KeyStore | Entropy>) =>
  Effect.andThen(TestClock.setTime(noon + 999), Effect.provide(test, Layer.fresh(memory)));

/** What tells one set of keys from another, without its secrets. */
const publicHalves = (keys: RelayKeys) => ({
  rsa: fingerprintOf(publicIdentity(keys)),
  ed25519: ed25519Text(publicIdentity(keys)),
  signing: keys.signing.key.publicKey.toString("hex"),
  certificate: keys.signing.certificate.toString("hex"),
  expiresAt: keys.signing.expiresAt,
  onion: keys.onionKey.key.publicKey.toString("hex"),
  onionCreatedAt: keys.onionKey.createdAt,
  previousOnion: keys.previousOnionKey?.key.publicKey.toString("hex"),
  previousOnionCreatedAt: keys.previousOnionKey?.createdAt,
  tap: encodeHex(rsaIdentityDigest(keys.tapOnionKey.publicKey)),
});

const checkSigningKey = (keys: RelayKeys, now: number): void => {
  const certificate = parseEd25519Certificate(keys.signing.certificate);
  verifyEd25519Certificate(certificate, {
    certType: CertType.IdentityVerifiesSigning,
    signedBy: keys.ed25519Identity,
    now,
  });
  assert.deepStrictEqual(certificate.certifiedKey, keys.signing.key.publicKey);
  assert.deepStrictEqual(certificate.signingKey, keys.ed25519Identity);
  assert.strictEqual(certificate.expiresAt, keys.signing.expiresAt);
};

describe("a key store in memory", () => {
  it.effect("gives what circuit handshakes, channels and descriptors need", () =>
    Effect.gen(function* () {
      const keys = (yield* KeyStore).current();
      const { bytes } = yield* Entropy;

      const server = handshakeServerKeys(keys);
      assert.deepStrictEqual(server.rsaIdentity, rsaIdentityDigest(rsa.identity.publicKey));
      assert.deepStrictEqual(server.ed25519Identity, keys.ed25519Identity);
      assert.deepStrictEqual(server.onionKeys, [keys.onionKey.key]);

      const link = makeLinkIdentity(linkIdentityKeys(keys), noon, bytes(LINK_IDENTITY_RANDOM_BYTES));
      assert.deepStrictEqual(link.peer, {
        rsaId: rsaIdentityDigest(rsa.identity.publicKey),
        ed25519Id: keys.ed25519Identity,
      });
      const certified = link.responderCerts.find(({ type }) => type === CertType.SigningVerifiesLink);
      verifyEd25519Certificate(parseEd25519Certificate(certified?.body ?? Buffer.alloc(0)), {
        certType: CertType.SigningVerifiesLink,
        keyType: 3,
        signedBy: keys.signing.key.publicKey,
        now: noon,
      });

      const { signingKey, signingCertificate, rsaIdentity } = descriptorIdentityKeys(keys);
      assert.deepStrictEqual(
        parseEd25519Certificate(signingCertificate).certifiedKey,
        Buffer.from(signingKey.publicKey),
      );
      assert.strictEqual(rsaIdentity, rsa.identity);
      checkSigningKey(keys, noon);
    }).pipe(atNoon),
  );

  it.effect("draws the same keys from the same seed, and others from another", () =>
    Effect.gen(function* () {
      const of = (seed: string) =>
        KeyStore.pipe(
          Effect.map((store) => publicHalves(store.current())),
          Effect.provide(
            layerKeyStoreMemory({
              identity: () => Promise.resolve(rsa.identity),
              link: () => Promise.resolve(rsa.link),
            }).pipe(Layer.provide(layerEntropySeeded(seed))),
            { local: true },
          ),
        );
      const first = yield* of("one");
      assert.deepStrictEqual(yield* of("one"), first);
      assert.notStrictEqual((yield* of("two")).ed25519, first.ed25519);
    }),
  );

  it.effect("prints fingerprints as tor does, and nothing of a secret", () =>
    Effect.gen(function* () {
      const keys = (yield* KeyStore).current();
      const hex = rsaIdentityDigest(rsa.identity.publicKey).toString("hex").toUpperCase();
      assert.strictEqual(fingerprintLine("Zwiebel", publicIdentity(keys)), `Zwiebel ${hex}`);
      assert.strictEqual(ed25519Text(publicIdentity(keys)), keys.ed25519Identity.toString("base64").replace("=", ""));

      const printed = inspect(keys, { depth: 10, showHidden: true, maxArrayLength: null }) + JSON.stringify(keys);
      for (const secret of [keys.signing.key.expanded(), keys.onionKey.key.secret()]) {
        assert.notInclude(printed, secret.toString("hex"));
        assert.notInclude(printed, secret.toString("base64").slice(0, 40));
        assert.notInclude(printed, [...secret].join(","));
        assert.notInclude(printed, secret.toString("hex").replace(/..(?!$)/g, "$& "));
      }
    }).pipe(atNoon),
  );
});

describe("the signing key", () => {
  it.effect("is certified for 30 days, and replaced in the last of them", () =>
    Effect.gen(function* () {
      const store = yield* KeyStore;
      const first = store.current();
      // Certificates end at whole hours.
      assert.strictEqual(first.signing.expiresAt, noon + SIGNING_KEY_LIFETIME_MILLIS + millisPerHour);

      yield* TestClock.setTime(first.signing.expiresAt - SIGNING_KEY_RENEWAL_MILLIS - 1);
      assert.isFalse(yield* store.renewSigningKey);
      assert.strictEqual(store.current(), first);

      yield* TestClock.adjust(1);
      assert.isTrue(yield* store.renewSigningKey);
      const second = store.current();
      checkSigningKey(second, yield* Clock.currentTimeMillis);
      assert.notDeepEqual(second.signing.key.publicKey, first.signing.key.publicKey);
      assert.strictEqual(second.signing.expiresAt, first.signing.expiresAt + 29 * millisPerDay);
      assert.deepStrictEqual(
        { ...publicHalves(second), signing: "", certificate: "", expiresAt: 0 },
        { ...publicHalves(first), signing: "", certificate: "", expiresAt: 0 },
      );
      assert.isFalse(yield* store.renewSigningKey);
    }).pipe(atNoon),
  );
});

describe("the onion key", () => {
  it.effect("rotates: handshakes are answered with the new one and the one before", () =>
    Effect.gen(function* () {
      const store = yield* KeyStore;
      const first = store.current().onionKey;
      assert.strictEqual(first.createdAt, noon);

      yield* TestClock.adjust("28 days");
      yield* store.rotateOnionKey;
      const second = store.current().onionKey;
      assert.strictEqual(second.createdAt, noon + 28 * millisPerDay);
      assert.notDeepEqual(second.key.publicKey, first.key.publicKey);
      assert.deepStrictEqual(handshakeServerKeys(store.current()).onionKeys, [second.key, first.key]);

      yield* store.rotateOnionKey;
      const third = store.current().onionKey;
      assert.deepStrictEqual(handshakeServerKeys(store.current()).onionKeys, [third.key, second.key]);

      yield* store.forgetPreviousOnionKey;
      assert.deepStrictEqual(handshakeServerKeys(store.current()).onionKeys, [third.key]);
    }).pipe(atNoon),
  );

  it.effect("loses none of two changes at once", () =>
    Effect.gen(function* () {
      const store = yield* KeyStore;
      const first = store.current();
      yield* TestClock.adjust("30 days");
      yield* Effect.all([store.rotateOnionKey, store.renewSigningKey, store.rotateOnionKey], { concurrency: 3 });
      const now = store.current();
      assert.notDeepEqual(now.signing.key.publicKey, first.signing.key.publicKey);
      assert.notDeepEqual(now.previousOnionKey?.key.publicKey, first.onionKey.key.publicKey);
    }).pipe(atNoon),
  );
});

describe("a key store on disk", () => {
  it.effect("is there again after a restart, but for the TLS key", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(noon);
      const dataDir = yield* dataDirectory;
      const first = yield* start(dataDir);
      yield* first.rotateOnionKey;
      yield* TestClock.adjust("1 day");
      const second = yield* start(dataDir);
      assert.deepStrictEqual(publicHalves(second.current()), publicHalves(first.current()));
      assert.isDefined(second.current().previousOnionKey);
      assert.notDeepEqual(second.current().tlsKey.publicKey.der, first.current().tlsKey.publicKey.der);
      assert.deepStrictEqual(yield* readIdentity({ dataDir, owner: self }), publicIdentity(first.current()));
    }).pipe(Effect.provide(platform)),
  );

  it.effect("keeps everything readable by its owner alone, and leaves nothing lying about", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const dataDir = `${yield* dataDirectory}/var/relay`;
      const store = yield* start(dataDir);
      yield* store.rotateOnionKey;
      const mode = (path: string) => Effect.map(fs.stat(path), (info) => (info.mode & 0o7777).toString(8));
      assert.strictEqual(yield* mode(dataDir), "700");
      assert.strictEqual(yield* mode(`${dataDir}/keys`), "700");
      const names = yield* fs.readDirectory(`${dataDir}/keys`);
      assert.deepStrictEqual(names.sort(), Object.values(keyFileNames).sort());
      for (const name of names) assert.strictEqual(yield* mode(`${dataDir}/keys/${name}`), "600", name);
      assert.match(
        yield* fs.readFileString(`${dataDir}/keys/${keyFileNames.rsaIdentity}`),
        /^-----BEGIN RSA PRIVATE KEY-----\n/,
      );
    }).pipe(Effect.provide(platform)),
  );

  it.effect("makes a new signing key at the start if the old one has ended while the relay was off", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(noon);
      const dataDir = yield* dataDirectory;
      const first = yield* start(dataDir);
      yield* TestClock.adjust("60 days");
      const second = yield* start(dataDir);
      assert.strictEqual(
        fingerprintOf(publicIdentity(second.current())),
        fingerprintOf(publicIdentity(first.current())),
      );
      checkSigningKey(second.current(), noon + 60 * millisPerDay);
      const third = yield* start(dataDir);
      assert.deepStrictEqual(publicHalves(third.current()), publicHalves(second.current()));
    }).pipe(Effect.provide(platform)),
  );

  it.effect("makes what is missing, but for an identity", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const dataDir = yield* dataDirectory;
      const first = yield* start(dataDir);
      const { signingSecret, signingCertificate, masterPublic, onion, tapOnion } = keyFileNames;
      for (const name of [signingSecret, signingCertificate, masterPublic, onion, tapOnion])
        yield* fs.remove(`${dataDir}/keys/${name}`);
      const second = yield* start(dataDir);
      assert.deepStrictEqual(publicIdentity(second.current()), publicIdentity(first.current()));
      assert.notDeepEqual(second.current().onionKey.key.publicKey, first.current().onionKey.key.publicKey);
      checkSigningKey(second.current(), yield* Clock.currentTimeMillis);
    }).pipe(Effect.provide(platform)),
  );

  it.effect("forgets the previous onion keys on disk too", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const dataDir = yield* dataDirectory;
      const store = yield* start(dataDir);
      yield* store.rotateOnionKey;
      yield* store.forgetPreviousOnionKey;
      const names = yield* fs.readDirectory(`${dataDir}/keys`);
      assert.deepStrictEqual(
        names.filter((name) => name.endsWith(".old")),
        [],
      );
      assert.isUndefined((yield* start(dataDir)).current().previousOnionKey);
    }).pipe(Effect.provide(platform)),
  );

  it.effect("counts an onion key's age from when it was made, and from now on if its file is from the future", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      yield* TestClock.setTime(noon);
      const dataDir = yield* dataDirectory;
      yield* start(dataDir);
      yield* TestClock.adjust("3 days");
      assert.strictEqual((yield* start(dataDir)).current().onionKey.createdAt, noon);
      const future = new Date(noon + 100 * millisPerDay);
      yield* fs.utimes(`${dataDir}/keys/${keyFileNames.onion}`, future, future);
      assert.strictEqual((yield* start(dataDir)).current().onionKey.createdAt, noon + 3 * millisPerDay);
    }).pipe(Effect.provide(platform)),
  );

  it.effect("makes a signing key anew if a crash has torn it from its certificate", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      yield* TestClock.setTime(noon);
      const dataDir = yield* dataDirectory;
      yield* start(dataDir);
      const path = `${dataDir}/keys/${keyFileNames.signingCertificate}`;
      const before = yield* fs.readFile(path);
      yield* TestClock.adjust("40 days");
      yield* start(dataDir);
      yield* fs.writeFile(path, before);
      checkSigningKey((yield* start(dataDir)).current(), noon + 40 * millisPerDay);
    }).pipe(Effect.provide(platform)),
  );
});
