import { type Connection, MemoryNetwork } from "@allium/channel";
import {
  certificatePem,
  generateLinkKey,
  generateRsaIdentity,
  makeTlsCertificates,
  tlsCertificateRandomBytes,
} from "@allium/crypto";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { type BandwidthLimits, makeBandwidthLimiter } from "../../src/index.ts";
import { transportOf } from "../support/hosts.ts";

const RELAY = "198.51.100.1";
const PEER = "198.51.100.2";
const SERVER = { host: RELAY, port: 9001 };

const keys = { identity: await generateRsaIdentity(), link: await generateLinkKey() };
const made = makeTlsCertificates({
  identity: keys.identity,
  link: keys.link.publicKey,
  now: 0,
  linkLifetime: 1_000_000_000,
  random: Buffer.alloc(tlsCertificateRandomBytes, 1),
});
const tls = {
  keyPem: keys.link.privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
  certificatePem: certificatePem(made.link),
};

const KB = 1_000;

/** A relay that listens with limits, and pairs of its ends and its peers'. */
const start = (limits: BandwidthLimits | undefined) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.make();
    const limiter = yield* makeBandwidthLimiter(limits);
    const accepted: Array<Connection> = [];
    const relay = limiter.limit(yield* transportOf(network, RELAY));
    yield* relay.listen(SERVER, { tls, onConnection: (connection) => accepted.push(connection) });
    const peer = yield* transportOf(network, PEER);
    const open = Effect.gen(function* () {
      const theirs = yield* peer.connect(SERVER, { tls: true });
      yield* TestClock.adjust(1);
      return { theirs, ours: accepted.at(-1)! };
    });
    return { network, limiter, relay, open };
  });

/** Reads whatever a connection has, as often as it says that there is something, and counts. */
const sink = (connection: Connection): { bytes: number; text: string } => {
  const got = { bytes: 0, text: "" };
  const look = (): void => {
    for (let chunk = connection.read(); chunk !== undefined; chunk = connection.read()) {
      got.bytes += chunk.length;
      got.text += chunk.toString("latin1");
    }
  };
  connection.onChange(look);
  look();
  return got;
};

describe("bandwidth limits", () => {
  it.effect("hold what is read to the rate, after the burst, in order and without loss", () =>
    Effect.gen(function* () {
      const { open, limiter } = yield* start({ rate: 10 * KB, burst: 20 * KB });
      const { theirs, ours } = yield* open;
      const got = sink(ours);
      const text = Array.from({ length: 10_000 }, (_, index) => String(index).padStart(5)).join("");
      theirs.write(Buffer.from(text));
      yield* TestClock.adjust("1 second");
      assert.isAtLeast(got.bytes, 28 * KB);
      assert.isAtMost(got.bytes, 31 * KB);
      yield* TestClock.adjust("1 second");
      assert.isAtMost(got.bytes, 41 * KB);
      assert.isAbove(limiter.waits().read, 0);
      yield* TestClock.adjust("1 second");
      assert.strictEqual(got.text, text);
      assert.strictEqual(ours.readable, 0);
    }),
  );

  it.effect("hold what is written to the rate; until then it is pending, and an end waits for it", () =>
    Effect.gen(function* () {
      const { open, limiter } = yield* start({ rate: 10 * KB, burst: 10 * KB });
      const { theirs, ours } = yield* open;
      const got = sink(theirs);
      ours.write(Buffer.alloc(25 * KB, "a"));
      ours.write(Buffer.alloc(5 * KB, "b"));
      ours.end();
      yield* TestClock.adjust("500 millis");
      assert.isAtLeast(got.bytes, 13 * KB);
      assert.isAtMost(got.bytes, 15 * KB);
      assert.isAtLeast(ours.pending, 15 * KB);
      assert.strictEqual(theirs.status, "open");
      yield* TestClock.adjust("2 seconds");
      assert.strictEqual(got.text, "a".repeat(25 * KB) + "b".repeat(5 * KB));
      assert.strictEqual(ours.pending, 0);
      assert.strictEqual(theirs.status, "ended");
      assert.isAbove(limiter.waits().write, 0);
    }),
  );

  it.effect("share the rate between connections that wait", () =>
    Effect.gen(function* () {
      const { open } = yield* start({ rate: 40 * KB, burst: 4 * KB });
      const pairs = [yield* open, yield* open, yield* open, yield* open];
      const got = pairs.map(({ theirs }) => sink(theirs));
      for (const { ours } of pairs) ours.write(Buffer.alloc(100 * KB));
      yield* TestClock.adjust("4 seconds");
      const total = got.reduce((sum, { bytes }) => sum + bytes, 0);
      assert.isAtMost(total, 165 * KB);
      for (const { bytes } of got) {
        assert.isAtLeast(bytes, 30 * KB);
        assert.isAtMost(bytes, 50 * KB);
      }
    }),
  );

  it.effect("leave nothing behind of a connection that is destroyed while it waits", () =>
    Effect.gen(function* () {
      const { open, network } = yield* start({ rate: KB, burst: KB });
      const { theirs, ours } = yield* open;
      ours.write(Buffer.alloc(50 * KB));
      yield* TestClock.adjust("1 second");
      ours.destroy();
      assert.strictEqual(ours.pending, 0);
      theirs.destroy();
      yield* TestClock.adjust("1 second");
      assert.strictEqual(network.connections(), 0);
    }),
  );

  it.effect("can be changed, and lifted, while connections wait", () =>
    Effect.gen(function* () {
      const { open, limiter } = yield* start({ rate: KB, burst: KB });
      const { theirs, ours } = yield* open;
      const got = sink(theirs);
      ours.write(Buffer.alloc(100 * KB));
      yield* TestClock.adjust("1 second");
      assert.isAtMost(got.bytes, 2 * KB);
      limiter.setLimits({ rate: 20 * KB, burst: 20 * KB });
      yield* TestClock.adjust("1 second");
      assert.isAtLeast(got.bytes, 18 * KB);
      assert.isAtMost(got.bytes, 24 * KB);
      limiter.setLimits(undefined);
      yield* TestClock.adjust("200 millis");
      assert.strictEqual(got.bytes, 100 * KB);
    }),
  );

  it.effect("take no part in connections without TLS, nor in any while there are none", () =>
    Effect.gen(function* () {
      const without = yield* start(undefined);
      const { ours } = yield* without.open;
      without.limiter.setLimits({ rate: 1, burst: 1 });
      ours.write(Buffer.alloc(10 * KB));
      assert.strictEqual(without.limiter.waits().write, 0);
      const { relay, network, limiter } = yield* start({ rate: 1, burst: 1 });
      const listening = yield* transportOf(network, PEER);
      const accepted: Array<Connection> = [];
      const plain = { host: PEER, port: 80 };
      yield* listening.listen(plain, { onConnection: (connection) => accepted.push(connection) });
      const connection = yield* relay.connect(plain, { tls: false });
      connection.write(Buffer.alloc(10 * KB));
      yield* TestClock.adjust("1 second");
      assert.strictEqual(sink(accepted[0]!).bytes, 10 * KB);
      assert.strictEqual(limiter.waits().write, 0);
    }),
  );
});
