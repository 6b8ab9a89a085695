import { type Entropy, type Listener, layerEntropySeeded } from "@allium/channel";
import { generateLinkKey, generateRsaIdentity } from "@allium/crypto";
import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect, Exit, Fiber, Layer, Logger, type Scope } from "effect";
import { TestClock } from "effect/testing";
import {
  handshakeServerKeys,
  KeyFileError,
  KeyStore,
  layerKeyStoreMemory,
  onionKeyParams,
  SIGNING_KEY_WARNING_MILLIS,
  SigningKeyError,
} from "../src/index.ts";
import { keepCertificates, keepOnionKeys } from "../src/key-tasks.ts";
import { makeCurrentLinkIdentity } from "../src/link-identity.ts";

const noon = Date.UTC(2026, 0, 31, 12, 0, 0);
const day = 86_400_000;

const rsa = { identity: await generateRsaIdentity(), link: await generateLinkKey() };
const memory = layerKeyStoreMemory({
  identity: () => Promise.resolve(rsa.identity),
  link: () => Promise.resolve(rsa.link),
}).pipe(Layer.provideMerge(layerEntropySeeded("tasks")));

/** Runs a test with a store that was made at noon, and with the warnings that are logged. */
const atNoon = <A, E>(
  test: (warnings: ReadonlyArray<string>) => Effect.Effect<A, E, KeyStore | Entropy | Scope.Scope>,
) =>
  Effect.suspend(() => {
    const warnings: Array<string> = [];
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel === "Warn") warnings.push(String(message));
    });
    const provided = test(warnings).pipe(Effect.scoped, Effect.provide([Layer.fresh(memory), Logger.layer([logger])]));
    return Effect.andThen(TestClock.setTime(noon), provided);
  });

/** Parameters as a consensus has them. */
const params = (values: Readonly<Record<string, number>>) => () => onionKeyParams((name) => values[name]);

const counter = () => {
  const counted = { count: 0, effect: Effect.sync(() => void counted.count++) };
  return counted;
};

describe("the onion key task", () => {
  it.effect(
    "rotates after 28 days, and accepts the key before it for a week, if the consensus does not say otherwise",
    () =>
      atNoon(() =>
        Effect.gen(function* () {
          const store = yield* KeyStore;
          const published = counter();
          yield* Effect.forkScoped(keepOnionKeys(params({}), published.effect));
          const first = store.current().onionKey;
          const accepted = () => handshakeServerKeys(store.current()).onionKeys;

          yield* TestClock.adjust(28 * day - 1);
          assert.deepStrictEqual(accepted(), [first.key]);
          yield* TestClock.adjust(1);
          const second = store.current().onionKey;
          assert.notStrictEqual(second, first);
          assert.deepStrictEqual(accepted(), [second.key, first.key]);
          assert.strictEqual(published.count, 1);

          yield* TestClock.adjust(7 * day - 1);
          assert.deepStrictEqual(accepted(), [second.key, first.key]);
          yield* TestClock.adjust(1);
          assert.deepStrictEqual(accepted(), [second.key]);
          assert.strictEqual(published.count, 1, "what was forgotten was in no descriptor any more");

          yield* TestClock.adjust(21 * day);
          assert.strictEqual(published.count, 2);
          assert.deepStrictEqual(accepted(), [store.current().onionKey.key, second.key]);
        }),
      ),
  );

  it.effect("follows a consensus that says otherwise, from the next look on", () =>
    atNoon(() =>
      Effect.gen(function* () {
        const store = yield* KeyStore;
        const values: Record<string, number> = {};
        const published = counter();
        yield* Effect.forkScoped(keepOnionKeys(() => params(values)(), published.effect));
        yield* TestClock.adjust(3 * day);
        assert.strictEqual(published.count, 0);
        values["onion-key-rotation-days"] = 2;
        values["onion-key-grace-period-days"] = 1;
        yield* TestClock.adjust("1 hour");
        assert.strictEqual(published.count, 1);
        assert.isDefined(store.current().previousOnionKey);
        yield* TestClock.adjust(day);
        assert.isUndefined(store.current().previousOnionKey);
        yield* TestClock.adjust(day);
        assert.strictEqual(published.count, 2);
      }),
    ),
  );

  it("keeps to the bounds of the parameters", () => {
    assert.deepStrictEqual(params({})(), { rotationMillis: 28 * day, graceMillis: 7 * day });
    const far = { "onion-key-rotation-days": 1_000, "onion-key-grace-period-days": 1_000 };
    assert.deepStrictEqual(params(far)(), { rotationMillis: 90 * day, graceMillis: 90 * day });
    const near = { "onion-key-rotation-days": 0, "onion-key-grace-period-days": 0 };
    assert.deepStrictEqual(params(near)(), { rotationMillis: day, graceMillis: day });
    // The grace period is never longer than the rotation.
    assert.strictEqual(params({ "onion-key-rotation-days": 3 })().graceMillis, 3 * day);
  });
});

/** The certificates task, with what it tells others. */
const startCertificates = Effect.gen(function* () {
  const identity = yield* makeCurrentLinkIdentity;
  const presented: Array<Parameters<Listener["setIdentity"]>[0]> = [];
  const published = counter();
  const listener = { setIdentity: (tls: (typeof presented)[number]) => void presented.push(tls) };
  const task = yield* Effect.forkScoped(keepCertificates({ identity, listener, onNewSigningKey: published.effect }));
  return { identity, presented, published, task };
});

describe("the certificates task", () => {
  it.effect("renews link certificates every day, and the signing key with them when it is about to end", () =>
    atNoon((warnings) =>
      Effect.gen(function* () {
        const store = yield* KeyStore;
        const { identity, presented, published } = yield* startCertificates;
        const first = identity.current();
        yield* TestClock.adjust(day + 3_600_000);
        assert.notStrictEqual(identity.current(), first);
        assert.deepStrictEqual(presented, [identity.current().tls]);
        const signing = store.current().signing;
        yield* TestClock.adjust(29 * day);
        assert.notDeepEqual(store.current().signing, signing);
        assert.strictEqual(published.count, 1);
        assert.deepStrictEqual(warnings, []);
      }),
    ),
  );

  /** The store of a relay whose identity is elsewhere, and whose signing key cannot be renewed. */
  const offline = Effect.gen(function* () {
    const store = yield* KeyStore;
    const expired = new SigningKeyError({ problem: "expired", path: "cert", master: "master", encrypted: false });
    const renewSigningKey = Effect.flatMap(Clock.currentTimeMillis, (now) =>
      now < store.current().signing.expiresAt ? Effect.succeed(false) : Effect.fail(expired),
    );
    return KeyStore.of({ ...store, hasMasterKey: Effect.succeed(false), renewSigningKey });
  });

  it.effect("warns daily in the last week of a signing key that cannot be replaced, and fails when it is over", () =>
    atNoon((warnings) =>
      Effect.gen(function* () {
        const store = yield* offline;
        const { task } = yield* Effect.provideService(startCertificates, KeyStore, store);
        const { expiresAt } = store.current().signing;
        yield* TestClock.setTime(expiresAt - SIGNING_KEY_WARNING_MILLIS);
        assert.deepStrictEqual(warnings, []);
        yield* TestClock.setTime(expiresAt - 1);
        assert.lengthOf(warnings, 7);
        assert.include(warnings[0], "ends in 6 days");
        assert.include(warnings[6], "ends in 0 days");
        assert.include(warnings[6], "allium-relay keygen --new-signing-key");
        assert.isUndefined(task.pollUnsafe());
        yield* TestClock.setTime(expiresAt + 3_600_000);
        assert.isTrue(Exit.isFailure(yield* Fiber.await(task)));
      }),
    ),
  );

  it.effect("goes on with the key that it has while key files are being copied", () =>
    atNoon((warnings) =>
      Effect.gen(function* () {
        const store = yield* KeyStore;
        let problem = true;
        const renewSigningKey = Effect.suspend(() =>
          problem
            ? Effect.fail(new KeyFileError({ path: "cert", problem: "mismatch", detail: "half of it" }))
            : Effect.succeed(true),
        );
        const { published } = yield* Effect.provideService(
          startCertificates,
          KeyStore,
          KeyStore.of({ ...store, renewSigningKey }),
        );
        yield* TestClock.adjust("1 hour");
        assert.deepStrictEqual(warnings, ["the signing key cannot be renewed: cert: half of it (mismatch)"]);
        problem = false;
        yield* TestClock.adjust("1 hour");
        assert.strictEqual(published.count, 1);
      }),
    ),
  );
});
