import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import { whileTimePasses } from "../../../../test/memory-network/index.ts";
import { open, pathOf, readyClient, say } from "./support.ts";

const exits = (client: { readonly tunnels: () => ReadonlyArray<{ readonly purpose: string }> }) =>
  client.tunnels().filter(({ purpose }) => purpose !== "directory");

describe("the tunnels of a client", () => {
  it.effect("lead through a guard, a middle and an exit, and are shared by streams of one isolation only", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient();
      const first = yield* open(client);
      const again = yield* open(client);
      assert.strictEqual(first.tunnel, again.tunnel);
      assert.strictEqual(first.address?.address, "93.184.216.34");
      assert.strictEqual(yield* say(first, "onion"), "onion");
      const path = pathOf(client, first.tunnel);
      assert.lengthOf(path, 3);
      assert.match(path[0] ?? "", /^guard/);
      assert.match(path[2] ?? "", /^exit/);
      const alice = yield* open(client, "alice");
      const bob = yield* open(client, "bob");
      const other = yield* client.isolated;
      const fresh = yield* open(other);
      const freshAlice = yield* open(other, "alice");
      const tunnels = [first, alice, bob, fresh, freshAlice].map(({ tunnel }) => tunnel);
      assert.strictEqual(new Set(tunnels).size, 5, "one tunnel each");
      assert.strictEqual((yield* open(client, "alice")).tunnel, alice.tunnel);
      // The same is seen by the exits: a circuit each.
      const seen = network.relays.flatMap(({ nickname, streams }) =>
        streams.filter(({ kind }) => kind === "BEGIN").map(({ circuit }) => `${nickname} ${circuit}`),
      );
      assert.strictEqual(new Set(seen).size, 5);
      // All of them through the same guard, once it is known which one answers.
      assert.strictEqual(new Set(tunnels.slice(1).map((id) => pathOf(client, id)[0])).size, 1);
    }).pipe(Effect.scoped),
  );

  it.effect("stay in use though their guard was late once, by less than a second", () =>
    Effect.gen(function* () {
      const { client, network } = yield* readyClient({ params: { cbtinitialtimeout: 200 } });
      const first = yield* open(client, "first");
      const guard = network.relay(pathOf(client, first.tunnel)[0] ?? "");
      const CLIENT = "9.0.0.1";
      network.lines.setLine(CLIENT, guard.address, { latency: "300 millis" });
      const wanted = yield* Effect.forkScoped(client.open({ host: "example.com", port: 80 }, { isolation: "second" }));
      yield* TestClock.adjust("800 millis");
      network.lines.setLine(CLIENT, guard.address, { latency: "5 millis" });
      const second = yield* whileTimePasses(Fiber.join(wanted));
      assert.strictEqual(pathOf(client, second.tunnel)[0], guard.nickname);
      assert.strictEqual(client.tunnels().find(({ id }) => id === first.tunnel)?.state, "open");
    }).pipe(Effect.scoped),
  );

  it.effect("get no new streams ten minutes after their first, and end with their last", () =>
    Effect.gen(function* () {
      const { client } = yield* readyClient();
      const first = yield* open(client);
      yield* TestClock.adjust("9 minutes");
      const early = yield* open(client);
      assert.strictEqual(early.tunnel, first.tunnel);
      yield* TestClock.adjust("61 seconds");
      const late = yield* open(client);
      assert.notStrictEqual(late.tunnel, first.tunnel);
      assert.strictEqual(yield* say(first, "still there"), "still there");
      assert.strictEqual(client.tunnels().find(({ id }) => id === first.tunnel)?.state, "retired");
      early.connection.destroy();
      yield* TestClock.adjust("1 minute");
      assert.isTrue(
        client.tunnels().some(({ id }) => id === first.tunnel),
        "it has a stream",
      );
      first.connection.destroy();
      yield* TestClock.adjust("10 seconds");
      assert.isFalse(client.tunnels().some(({ id }) => id === first.tunnel));
    }).pipe(Effect.scoped),
  );

  it.effect("are there before they are wanted, for the ports that were asked for, and go if nobody wants them", () =>
    Effect.gen(function* () {
      // Else some are built to learn how long that takes.
      const { client } = yield* readyClient({ params: { cbtdisabled: 1 } });
      yield* TestClock.adjust("1 minute");
      const spare = exits(client);
      assert.isAtLeast(spare.length, 2);
      // Two hours later nobody has asked for anything: no port is expected any more, and nothing is kept.
      yield* TestClock.adjust("3 hours");
      const kept = exits(client).length;
      assert.strictEqual(kept, 0);
      yield* open(client);
      yield* TestClock.adjust("1 minute");
      assert.isAtLeast(exits(client).length, 2);
    }).pipe(Effect.scoped),
  );

  it.effect("are not more than may be: who wants another waits, and is told so", () =>
    Effect.gen(function* () {
      const { client } = yield* readyClient({}, { tunnels: { maxTunnels: 2, requestTimeoutMillis: 5_000 } });
      yield* open(client, "one");
      yield* open(client, "two");
      const error = yield* Effect.flip(open(client, "three"));
      assert.strictEqual(error.failure, "resource-limit");
      assert.isAtMost(exits(client).length, 2);
    }).pipe(Effect.scoped),
  );

  it.effect("have streams up to a bound, those that wait among them", () =>
    Effect.gen(function* () {
      const { client } = yield* readyClient({}, { tunnels: { maxStreams: 3 } });
      const streams = [yield* open(client), yield* open(client), yield* open(client)];
      const error = yield* Effect.flip(open(client));
      assert.strictEqual(error.failure, "resource-limit");
      streams[0]?.connection.destroy();
      yield* TestClock.adjust("1 second");
      assert.strictEqual(yield* say(yield* open(client), "room"), "room");
    }).pipe(Effect.scoped),
  );

  it.effect("end with the client, and so do streams; nothing is left in the network", () =>
    Effect.gen(function* () {
      const { network, stream } = yield* Effect.scoped(
        Effect.gen(function* () {
          const { network, client } = yield* readyClient();
          return { network, stream: yield* open(client) };
        }),
      );
      assert.notStrictEqual(stream.connection.status, "open");
      yield* whileTimePasses(Effect.sleep("1 second"));
      assert.deepStrictEqual(
        network.relays.map(({ openCircuits }) => openCircuits),
        network.relays.map(() => 0),
      );
    }).pipe(Effect.scoped),
  );
});
