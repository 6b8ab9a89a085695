import { connectionPair } from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit, Fiber, Scope } from "effect";
import { TestClock } from "effect/testing";
import { makeLingerers } from "../../src/exit/linger.ts";
import { begin, EXIT, listen, ORIGIN, startExit } from "./support/exit.ts";
import { FakeConnection } from "./support/fake-connection.ts";

/** All that a connection has to read. */
const drain = (connection: { readonly read: () => Buffer | undefined }): string => {
  let text = "";
  for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) text += bytes.toString();
  return text;
};

describe("a connection whose stream has ended", () => {
  it.effect("delivers what was sent before the end, then the end, and is closed when the other side is", () =>
    Effect.gen(function* () {
      const { network, opener, status } = yield* startExit();
      network.setLine(EXIT, ORIGIN, { latency: "200 millis", bandwidth: 1_000 });
      const accepted = yield* listen(network, ORIGIN, 80);
      const opening = yield* Effect.forkChild(opener.begin(begin(ORIGIN, 80)));
      yield* TestClock.adjust("1 second");
      const { connection } = yield* Fiber.join(opening);
      const [origin] = accepted;
      assert.isDefined(origin);
      connection.write(Buffer.from("x".repeat(2_000)));
      opener.linger(connection);
      yield* TestClock.adjust("1 second");
      assert.strictEqual(origin.status, "open");
      yield* TestClock.adjust("1200 millis");
      assert.strictEqual(drain(origin).length, 2_000);
      assert.strictEqual(origin.status, "ended");
      assert.strictEqual(status.counts().lingering, 1);
      origin.end();
      yield* TestClock.adjust("200 millis");
      assert.deepInclude(status.counts(), { lingering: 0, lingeringCut: 0 });
      assert.strictEqual(network.connections(), 0);
    }),
  );

  it.effect("is told the end at once if nothing is pending, and has three seconds to close", () =>
    Effect.gen(function* () {
      const lingerers = yield* makeLingerers();
      yield* TestClock.adjust("1 hour");
      const connection = new FakeConnection();
      lingerers.add(connection);
      assert.isTrue(connection.finSent);
      yield* TestClock.adjust("2900 millis");
      assert.isFalse(connection.destroyed);
      yield* TestClock.adjust("600 millis");
      assert.isTrue(connection.destroyed);
      assert.strictEqual(lingerers.size(), 0);
      assert.strictEqual(lingerers.cut(), 0);
    }),
  );

  it.effect("has thirty seconds to take what is pending, then is cut off", () =>
    Effect.gen(function* () {
      const lingerers = yield* makeLingerers();
      const connection = new FakeConnection(1_000);
      lingerers.add(connection);
      yield* TestClock.adjust("29900 millis");
      assert.isFalse(connection.destroyed);
      yield* TestClock.adjust("600 millis");
      assert.isTrue(connection.destroyed);
      assert.strictEqual(lingerers.cut(), 1);
    }),
  );

  it.effect("has three seconds from when it has taken everything", () =>
    Effect.gen(function* () {
      const lingerers = yield* makeLingerers();
      const connection = new FakeConnection(1_000);
      lingerers.add(connection);
      yield* TestClock.adjust("29 seconds");
      connection.flush();
      yield* TestClock.adjust("2900 millis");
      assert.isFalse(connection.destroyed);
      yield* TestClock.adjust("600 millis");
      assert.isTrue(connection.destroyed);
      assert.strictEqual(lingerers.cut(), 0);
    }),
  );

  it.effect("gets what is pending although the other side sends no more", () =>
    Effect.gen(function* () {
      const lingerers = yield* makeLingerers();
      const connection = new FakeConnection(1_000);
      connection.status = "ended";
      lingerers.add(connection);
      yield* TestClock.adjust("5 seconds");
      assert.isFalse(connection.destroyed);
      connection.flush();
      connection.become("closed");
      assert.isTrue(connection.destroyed);
      assert.deepStrictEqual([lingerers.size(), lingerers.cut()], [0, 0]);
    }),
  );

  it.effect("is let go of at once if it is closed already, or breaks", () =>
    Effect.gen(function* () {
      const lingerers = yield* makeLingerers();
      const closed = new FakeConnection();
      closed.status = "closed";
      lingerers.add(closed);
      const breaking = new FakeConnection(1_000);
      lingerers.add(breaking);
      breaking.become("closed");
      assert.deepStrictEqual([closed.destroyed, breaking.destroyed, lingerers.size()], [true, true, 0]);
    }),
  );

  it.effect("reads on to see the other side's end, but no more than its share", () =>
    Effect.gen(function* () {
      const lingerers = yield* makeLingerers();
      const polite = new FakeConnection(10);
      const endless = new FakeConnection(10);
      lingerers.add(polite);
      lingerers.add(endless);
      polite.arrive(100_000);
      assert.strictEqual(polite.readable, 0);
      endless.arrive(100_000);
      endless.arrive(400_000);
      const left = endless.readable;
      assert.isAbove(left, 150_000);
      endless.arrive(1_000);
      assert.strictEqual(endless.readable, left + 1_000);
      // It still gets what is pending.
      assert.isFalse(endless.destroyed);
    }),
  );

  it.effect("is soon cut off if it has everything and goes on sending more than its share", () =>
    Effect.gen(function* () {
      const lingerers = yield* makeLingerers();
      const endless = new FakeConnection(10);
      lingerers.add(endless);
      endless.arrive(500_000);
      yield* TestClock.adjust("2 seconds");
      assert.isFalse(endless.destroyed);
      endless.flush();
      yield* TestClock.adjust("200 millis");
      assert.isFalse(endless.destroyed);
      yield* TestClock.adjust("300 millis");
      assert.isTrue(endless.destroyed);
      assert.deepStrictEqual([lingerers.size(), lingerers.cut()], [0, 0]);
    }),
  );

  it.effect("may have very much to say in very small pieces", () =>
    Effect.gen(function* () {
      const lingerers = yield* makeLingerers();
      const [stream, directory] = connectionPair(1);
      for (let piece = 0; piece < 10_000; piece++) directory.write(Buffer.from("x"));
      lingerers.add(stream);
      assert.strictEqual(directory.pending, 0);
    }),
  );

  it.effect("leaves the directory's end of a pair with everything", () =>
    Effect.gen(function* () {
      const lingerers = yield* makeLingerers();
      const [stream, directory] = connectionPair();
      stream.write(Buffer.from("GET /"));
      lingerers.add(stream);
      assert.strictEqual(drain(directory), "GET /");
      assert.strictEqual(directory.status, "ended");
      directory.destroy();
      assert.strictEqual(lingerers.size(), 0);
    }),
  );
});

describe("connections that linger", () => {
  it.effect("are no more than may be: those that lose nothing make room first, then the oldest", () =>
    Effect.gen(function* () {
      const lingerers = yield* makeLingerers({ maxConnections: 3 });
      const flushing = [new FakeConnection(1), new FakeConnection(1)];
      const closing = new FakeConnection();
      for (const connection of [...flushing, closing]) lingerers.add(connection);
      const newer = [new FakeConnection(1), new FakeConnection(1)];
      lingerers.add(newer[0] as FakeConnection);
      assert.deepStrictEqual(
        [closing, ...flushing].map(({ destroyed }) => destroyed),
        [true, false, false],
      );
      lingerers.add(newer[1] as FakeConnection);
      assert.deepStrictEqual(
        flushing.map(({ destroyed }) => destroyed),
        [true, false],
      );
      assert.deepStrictEqual([lingerers.size(), lingerers.cut()], [3, 1]);
    }),
  );

  it.effect("hold no more bytes than they may; those that have left count no more", () =>
    Effect.gen(function* () {
      const lingerers = yield* makeLingerers({ maxBytes: 1_000 });
      const flushed = new FakeConnection(600);
      const [older, newer, newest] = [new FakeConnection(600), new FakeConnection(400), new FakeConnection(1)];
      lingerers.add(flushed);
      flushed.flush();
      lingerers.add(older);
      lingerers.add(newer);
      assert.deepStrictEqual([flushed.destroyed, older.destroyed, lingerers.size()], [false, false, 3]);
      lingerers.add(newest);
      assert.deepStrictEqual([older.destroyed, newer.destroyed, newest.destroyed], [true, false, false]);
    }),
  );

  it.effect("are all watched in time, whenever they came", () =>
    Effect.gen(function* () {
      const lingerers = yield* makeLingerers();
      const connections: Array<FakeConnection> = [];
      for (let second = 0; second < 60; second++) {
        const connection = new FakeConnection(second % 2);
        connections.push(connection);
        lingerers.add(connection);
        yield* TestClock.adjust("1 second");
      }
      // Those of the last thirty seconds with something pending, and of the last three without.
      assert.strictEqual(lingerers.size(), 16);
      yield* TestClock.adjust("30500 millis");
      assert.strictEqual(lingerers.size(), 0);
      assert.isTrue(connections.every(({ destroyed }) => destroyed));
    }),
  );

  it.effect("are all destroyed at shutdown, and those that come later at once", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      const lingerers = yield* makeLingerers().pipe(Scope.provide(scope));
      const connections = [new FakeConnection(1), new FakeConnection()];
      for (const connection of connections) lingerers.add(connection);
      yield* Scope.close(scope, Exit.void);
      const late = new FakeConnection(1);
      lingerers.add(late);
      assert.isTrue([...connections, late].every(({ destroyed }) => destroyed));
      assert.strictEqual(lingerers.size(), 0);
    }),
  );
});
