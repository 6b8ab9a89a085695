import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect, Exit, Fiber, Scope } from "effect";
import { TestClock } from "effect/testing";
import { Random } from "../../../test/support/fuzz.ts";
import { type Connection, type Endpoint, MemoryNetwork } from "../src/index.ts";
import { connectionCompliance, tlsBindingCompliance } from "./compliance/connection.ts";
import { makeIdentity } from "./support/identities.ts";
import { CLIENT, connectFrom, listenOn, openPair, SERVER, transportOf } from "./support/memory.ts";
import { readAll } from "./support/read-all.ts";

const identity = makeIdentity("relay", 0);

let hosts = 0;

for (const line of [{}, { latency: "3 millis", bandwidth: 40e6 }] as const) {
  const subject = {
    name: line.latency === undefined ? "a simulated connection" : "a slow simulated connection",
    it: it.effect,
    open: (readBufferBytes: number) =>
      Effect.gen(function* () {
        const network = yield* MemoryNetwork.make(line);
        const { accepted } = yield* listenOn(network, { tls: identity.tls, readBufferBytes });
        const host = `10.2.0.${hosts++}`;
        const connecting = yield* Effect.forkChild(connectFrom(network, host, { tls: true, readBufferBytes }));
        yield* TestClock.adjust("1 second");
        return [yield* Fiber.join(connecting), accepted[0] as Connection] as const;
      }),
    pass: TestClock.adjust("1 millis"),
    slack: 0,
  };
  connectionCompliance(subject);
  tlsBindingCompliance(subject);
}

const elapsed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis;
    const result = yield* effect;
    return [(yield* Clock.currentTimeMillis) - start, result] as const;
  });

describe("a simulated network", () => {
  it.effect("takes one round trip to connect, and another for TLS", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: "30 millis" });
      network.setLine(SERVER.host, CLIENT, { latency: "10 millis" });
      yield* listenOn(network);
      const plain = yield* Effect.forkChild(elapsed(connectFrom(network)));
      yield* TestClock.adjust("1 second");
      assert.strictEqual((yield* Fiber.join(plain))[0], 40);
      const transport = yield* transportOf(network, SERVER.host);
      const tls: Endpoint = { host: SERVER.host, port: 443 };
      yield* transport.listen(tls, { tls: identity.tls, onConnection: () => {} });
      const client = yield* transportOf(network, CLIENT);
      const secure = yield* Effect.forkChild(elapsed(client.connect(tls, { tls: true })));
      yield* TestClock.adjust("1 second");
      assert.strictEqual((yield* Fiber.join(secure))[0], 80);
    }),
  );

  it.effect("delivers after the latency of the line, each way its own", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make();
      const [client, server] = yield* openPair(network);
      network.setLine(CLIENT, SERVER.host, { latency: "50 millis" });
      network.setLine(SERVER.host, CLIENT, { latency: "20 millis" });
      client.write(Buffer.from("there"));
      server.write(Buffer.from("back"));
      yield* TestClock.adjust("19 millis");
      assert.strictEqual(client.readable, 0);
      yield* TestClock.adjust("1 millis");
      assert.strictEqual(readAll(client).toString(), "back");
      yield* TestClock.adjust("29 millis");
      assert.strictEqual(server.readable, 0);
      yield* TestClock.adjust("1 millis");
      assert.strictEqual(readAll(server).toString(), "there");
    }),
  );

  it.effect("sends at the rate of the line, which all connections between two hosts share", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ bandwidth: 100_000 });
      const { accepted } = yield* listenOn(network);
      const one = yield* connectFrom(network);
      const other = yield* connectFrom(network);
      one.write(Buffer.alloc(50_000));
      other.write(Buffer.alloc(50_000));
      yield* TestClock.adjust("500 millis");
      const half = accepted[0]!.readable + accepted[1]!.readable;
      assert.isAtLeast(half, 50_000 - 2 * 16_384);
      assert.isAtMost(half, 50_000);
      assert.isAbove(accepted[0]!.readable, 0);
      assert.isAbove(accepted[1]!.readable, 0);
      yield* TestClock.adjust("499 millis");
      assert.isAbove(one.pending + other.pending, 0);
      yield* TestClock.adjust("1 millis");
      assert.strictEqual(one.pending + other.pending, 0);
      assert.strictEqual(accepted[0]!.readable + accepted[1]!.readable, 100_000);
    }),
  );

  it.effect("never lets later bytes overtake earlier ones, though the latency falls", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make();
      const [client, server] = yield* openPair(network);
      network.setLine(CLIENT, SERVER.host, { latency: "100 millis" });
      client.write(Buffer.from("first "));
      network.setLine(CLIENT, SERVER.host, { latency: 0 });
      client.write(Buffer.from("second"));
      yield* TestClock.adjust("99 millis");
      assert.strictEqual(server.readable, 0);
      yield* TestClock.adjust("1 millis");
      assert.strictEqual(readAll(server).toString(), "first second");
    }),
  );

  it.effect("breaks connections between two hosts on command, and no others", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make();
      const { accepted } = yield* listenOn(network);
      const one = yield* connectFrom(network);
      const other = yield* connectFrom(network, "10.0.0.7");
      one.write(Buffer.from("on its way"));
      let told = 0;
      accepted[0]!.onChange(() => told++);
      assert.strictEqual(network.cut(SERVER.host, CLIENT), 1);
      for (const end of [one, accepted[0]!]) {
        assert.strictEqual(end.status, "closed");
        assert.deepInclude(end.failure, { kind: "reset", code: "ECONNRESET" });
      }
      yield* TestClock.adjust("1 second");
      assert.strictEqual(told, 1);
      assert.strictEqual(accepted[0]!.readable, 0);
      assert.strictEqual(other.status, "open");
      assert.strictEqual(network.connections(), 1);
      assert.strictEqual(network.cut(SERVER.host, CLIENT), 0);
    }),
  );

  it.effect("holds bytes, ends and new connections while a line is stalled", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make();
      const [client, server] = yield* openPair(network);
      network.stall(CLIENT, SERVER.host, true);
      client.write(Buffer.from("held"));
      client.end();
      server.write(Buffer.from("not held"));
      const connecting = yield* Effect.forkChild(connectFrom(network));
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(server.readable, 0);
      assert.strictEqual(server.status, "open");
      assert.strictEqual(client.pending, 4);
      assert.strictEqual(readAll(client).toString(), "not held");
      assert.strictEqual(network.connections(), 1);
      network.stall(CLIENT, SERVER.host, false);
      yield* TestClock.adjust("1 millis");
      assert.strictEqual(readAll(server).toString(), "held");
      assert.strictEqual(server.status, "ended");
      assert.strictEqual((yield* Fiber.join(connecting)).status, "open");
    }),
  );

  it.effect("an attempt that is interrupted leaves nothing behind", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make({ latency: "1 second" });
      const { accepted } = yield* listenOn(network);
      const connecting = yield* Effect.forkChild(connectFrom(network));
      yield* TestClock.adjust("1 second");
      yield* Fiber.interrupt(connecting);
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(accepted.length, 0);
      assert.strictEqual(network.connections(), 0);
    }),
  );

  it.effect("counts a connection until both ends have closed it", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make();
      const [client, server] = yield* openPair(network);
      assert.strictEqual(network.connections(), 1);
      client.destroy();
      yield* TestClock.adjust("1 second");
      assert.strictEqual(network.connections(), 1);
      assert.strictEqual(server.status, "ended");
      server.end();
      assert.strictEqual(network.connections(), 0);
    }),
  );

  it.effect("tells the writer to a destroyed end after a round trip", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make();
      const [client, server] = yield* openPair(network);
      network.setLine(CLIENT, SERVER.host, { latency: "30 millis" });
      network.setLine(SERVER.host, CLIENT, { latency: "20 millis" });
      server.destroy();
      client.write(Buffer.from("anybody?"));
      yield* TestClock.adjust("49 millis");
      assert.strictEqual(client.status, "ended");
      yield* TestClock.adjust("1 millis");
      assert.strictEqual(client.status, "closed");
      assert.strictEqual(client.failure?.kind, "reset");
    }),
  );

  it.effect("breaks all connections when its scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      const network = yield* Scope.provide(MemoryNetwork.make(), scope);
      const [client, server] = yield* openPair(network);
      yield* Scope.close(scope, Exit.void);
      assert.strictEqual(client.status, "closed");
      assert.strictEqual(server.status, "closed");
      assert.strictEqual(network.connections(), 0);
    }),
  );

  it.effect("refuses as sockets do", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make();
      const kindOf = (options: { readonly tls: boolean }) =>
        Effect.map(Effect.flip(connectFrom(network, CLIENT, options)), (error) => error.kind);
      assert.strictEqual(yield* kindOf({ tls: false }), "refused");
      const failed: Array<Endpoint> = [];
      const { accepted } = yield* listenOn(network, {
        tls: identity.tls,
        maxConnections: 1,
        admit: (remote) => remote.host === CLIENT,
        onFailed: (remote) => failed.push(remote),
      });
      const again = yield* transportOf(network, SERVER.host);
      const inUse = yield* Effect.flip(again.listen(SERVER, { onConnection: () => {} }));
      assert.deepInclude(inUse, { kind: "addressInUse", code: "EADDRINUSE" });
      assert.strictEqual(yield* kindOf({ tls: false }), "tls");
      assert.strictEqual(failed.length, 1);
      const notAdmitted = yield* Effect.flip(connectFrom(network, "10.0.0.9", { tls: true }));
      assert.strictEqual(notAdmitted.kind, "reset");
      const first = yield* connectFrom(network, CLIENT, { tls: true });
      assert.strictEqual(yield* kindOf({ tls: true }), "reset");
      first.destroy();
      accepted[0]!.destroy();
      yield* connectFrom(network, CLIENT, { tls: true });
      assert.strictEqual(accepted.length, 2);
    }),
  );

  it.effect("presents another certificate once it is told to, and picks a port if asked for none", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.make();
      const server = yield* transportOf(network, SERVER.host);
      const listener = yield* server.listen(
        { host: SERVER.host, port: 0 },
        { tls: identity.tls, onConnection: () => {} },
      );
      const client = yield* transportOf(network, CLIENT);
      const first = yield* client.connect(listener.endpoint, { tls: true });
      listener.setIdentity(makeIdentity("relay after two days", 0).tls);
      const second = yield* client.connect(listener.endpoint, { tls: true });
      assert.isFalse(first.tls!.peerCertificateDigest!.equals(second.tls!.peerCertificateDigest!));
    }),
  );

  /** Many connections that write, read, end and are destroyed at random: what happens when, as text. */
  const story = (seed: number) =>
    Effect.gen(function* () {
      const random = new Random(seed);
      const network = yield* MemoryNetwork.make({ latency: "7 millis", bandwidth: 1e6 });
      const events: Array<string> = [];
      const ends: Array<Connection> = [];
      const watch = (connection: Connection) => {
        const name = `${ends.push(connection)}`;
        connection.onChange(() =>
          events.push(`${name} ${connection.status} ${connection.readable} ${connection.pending}`),
        );
      };
      yield* listenOn(network, { onConnection: watch, readBufferBytes: 20_000 });
      for (let index = 0; index < 4; index++) {
        const connecting = yield* Effect.forkChild(connectFrom(network, `10.1.0.${index % 2}`));
        yield* TestClock.adjust("20 millis");
        watch(yield* Fiber.join(connecting));
      }
      for (let step = 0; step < 300; step++) {
        const end = random.pick(ends);
        const draw = random.below(40);
        if (draw === 0) end.end();
        else if (draw === 1 && step > 200) end.destroy();
        else if (draw < 20) end.write(random.bytes(random.below(30_000)));
        else if (draw < 35) events.push(`read ${end.read()?.toString("latin1")}`);
        else {
          yield* TestClock.adjust(random.below(30));
          events.push(`at ${yield* Clock.currentTimeMillis}`);
        }
      }
      return events.join("\n");
    }).pipe(Effect.scoped);

  it.effect("runs the same way for the same seed", () =>
    Effect.gen(function* () {
      const first = yield* story(5);
      yield* TestClock.setTime(0);
      assert.strictEqual(yield* story(5), first);
      yield* TestClock.setTime(0);
      assert.notStrictEqual(yield* story(6), first);
    }),
  );
});
