import { ChannelCommand, DestroyReason, encodeChannelBody } from "@allium/cell";
import { Signal, Topology } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Cause, Effect, Exit, Fiber, Logger, Schema, Scope } from "effect";
import { TestClock } from "effect/testing";
import { Random } from "../../../test/support/fuzz.ts";
import {
  type ChannelCircuit,
  ChannelLimit,
  ChannelsClosed,
  ChannelTimeout,
  type CreateRequest,
  LinkHandshakeError,
  type LinkIdentity,
  MemoryNetwork,
  TransportError,
} from "../src/index.ts";
import { makeSignals } from "./support/channel.ts";
import { makeIdentity, NOW } from "./support/identities.ts";
import { ALICE, BOB, CAROL, makeManager, makeRelay, PORT, renewed, targetOf } from "./support/manager.ts";
import { transportOf } from "./support/memory.ts";

const A = "10.0.0.1";
const B = "10.0.0.2";
const C = "10.0.0.3";
const CLIENT = "10.1.0.1";

const makeNetwork = (line: Partial<MemoryNetwork.Line> = {}) =>
  Effect.andThen(TestClock.setTime(NOW), MemoryNetwork.make(line));

/** Two relays, listening, that do not know each other yet. */
const aliceAndBob = (line: Partial<MemoryNetwork.Line> = {}) =>
  Effect.gen(function* () {
    const network = yield* makeNetwork(line);
    const alice = yield* makeRelay(network, A, ALICE);
    const bob = yield* makeRelay(network, B, BOB);
    return { network, alice, bob };
  });

describe("channels of a process", () => {
  it.effect("are shared by all who want the same relay", () =>
    Effect.gen(function* () {
      const { network, alice } = yield* aliceAndBob();
      const first = yield* alice.manager.get(targetOf(BOB, B));
      assert.strictEqual(yield* alice.manager.get(targetOf(BOB, B)), first);
      // By one identity, or at an address that nobody has.
      assert.strictEqual(yield* alice.manager.get({ ed25519Id: BOB.peer.ed25519Id, endpoints: [] }), first);
      assert.strictEqual(yield* alice.manager.get({ rsaId: BOB.peer.rsaId, endpoints: [] }), first);
      assert.strictEqual(network.connections(), 1);
      assert.deepStrictEqual(alice.manager.channels(), [first]);
      assert.deepStrictEqual(alice.opened, [first]);
      assert.deepStrictEqual(first.peer, BOB.peer);
      assert.isTrue(first.initiated);
    }),
  );

  it.effect("are opened once for many who ask at the same time", () =>
    Effect.gen(function* () {
      const { network, alice } = yield* aliceAndBob({ latency: "20 millis" });
      const asking = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 10 }, () => alice.manager.get(targetOf(BOB, B))),
          { concurrency: "unbounded" },
        ),
      );
      yield* TestClock.adjust("1 second");
      assert.strictEqual(new Set(yield* Fiber.join(asking)).size, 1);
      assert.strictEqual(network.connections(), 1);
    }),
  );

  it.effect("are not given up when one of those who wait goes away", () =>
    Effect.gen(function* () {
      const { network, alice } = yield* aliceAndBob({ latency: "20 millis" });
      const first = yield* Effect.forkChild(alice.manager.get(targetOf(BOB, B)));
      yield* TestClock.adjust("50 millis");
      const second = yield* Effect.forkChild(alice.manager.get(targetOf(BOB, B)));
      yield* Fiber.interrupt(first);
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual((yield* Fiber.join(second)).peer, BOB.peer);
      assert.strictEqual(network.connections(), 1);
    }),
  );

  it.effect("serve both ways: who was connected to uses the same channel", () =>
    Effect.gen(function* () {
      const { network, alice, bob } = yield* aliceAndBob();
      yield* alice.manager.get(targetOf(BOB, B));
      yield* TestClock.adjust("1 second");
      const back = yield* bob.manager.get(targetOf(ALICE, A));
      assert.isFalse(back.initiated);
      assert.strictEqual(network.connections(), 1);
    }),
  );

  it.effect("are not shared with who wants another RSA identity", () =>
    Effect.gen(function* () {
      const { alice } = yield* aliceAndBob();
      yield* alice.manager.get(targetOf(BOB, B));
      const error = yield* Effect.flip(alice.manager.get({ ...targetOf(BOB, B), rsaId: CAROL.peer.rsaId }));
      assert.deepInclude(error, { problem: "wrongIdentity" });
    }),
  );

  it.effect("are never shared by those who name no identity", () =>
    Effect.gen(function* () {
      const { alice } = yield* aliceAndBob();
      const anybody = { endpoints: [{ host: B, port: PORT }] };
      const first = yield* alice.manager.get(anybody);
      assert.notStrictEqual(yield* alice.manager.get(anybody), first);
    }),
  );

  it.effect("are opened anew when the old one has ended", () =>
    Effect.gen(function* () {
      const { network, alice } = yield* aliceAndBob();
      const first = yield* alice.manager.get(targetOf(BOB, B));
      network.cut(A, B);
      const second = yield* alice.manager.get(targetOf(BOB, B));
      assert.notStrictEqual(second, first);
      yield* TestClock.adjust("1 second");
      assert.strictEqual(first.closed, true);
      assert.strictEqual(alice.ended.length, 1);
      assert.deepInclude(alice.ended[0], { _tag: "ChannelLost" });
      assert.deepStrictEqual(alice.manager.channels(), [second]);
    }),
  );

  it.effect("carry circuits from end to end", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      const client = yield* makeManager(network, CLIENT, undefined);
      const bob = yield* makeRelay(network, B, BOB);
      const requests: Array<CreateRequest> = [];
      yield* bob.manager.acceptCircuits((request) => requests.push(request));
      const channel = yield* client.manager.get(targetOf(BOB, B));
      const signals = makeSignals();
      const circuit = yield* channel.openCircuit(signals);
      const create = encodeChannelBody({ _tag: "CREATE_FAST", keyMaterial: Buffer.alloc(20, 4) });
      circuit.sendCell(ChannelCommand.CREATE_FAST, create);
      yield* TestClock.adjust("1 second");
      assert.strictEqual(requests.length, 1);
      assert.isUndefined(requests[0]!.channel.peer);
      assert.strictEqual(requests[0]!.circId, circuit.circId);
      requests[0]!.accept(makeSignals()).sendCell(ChannelCommand.CREATED_FAST, Buffer.alloc(40, 1));
      yield* TestClock.adjust("1 second");
      assert.strictEqual(circuit.inbox.takeControl()?.command, ChannelCommand.CREATED_FAST);
    }),
  );

  it.effect("refuse circuits while nobody accepts them", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      const client = yield* makeManager(network, CLIENT, undefined);
      const bob = yield* makeRelay(network, B, BOB);
      const channel = yield* client.manager.get(targetOf(BOB, B));
      const ask = Effect.gen(function* () {
        const circuit: ChannelCircuit = yield* channel.openCircuit({ inbound: Signal.make() });
        circuit.sendCell(ChannelCommand.CREATE_FAST, Buffer.alloc(20));
        yield* TestClock.adjust("1 second");
        return circuit.inbox.ended();
      });
      const hibernating = { _tag: "Destroyed", reason: DestroyReason.HIBERNATING };
      assert.deepStrictEqual(yield* ask, hibernating as never);
      const scope = yield* Scope.make();
      let asked = 0;
      yield* Scope.provide(
        bob.manager.acceptCircuits(() => asked++),
        scope,
      );
      assert.isUndefined(yield* ask);
      assert.strictEqual(asked, 1);
      yield* Scope.close(scope, Exit.void);
      assert.deepStrictEqual(yield* ask, hibernating as never);
    }),
  );
});

describe("two relays that connect to each other at once", () => {
  const crossed = Effect.gen(function* () {
    const { network, alice, bob } = yield* aliceAndBob({ latency: "25 millis" });
    const both = yield* Effect.forkChild(
      Effect.all([alice.manager.get(targetOf(BOB, B)), bob.manager.get(targetOf(ALICE, A))], { concurrency: 2 }),
    );
    yield* TestClock.adjust("1 second");
    yield* Fiber.join(both);
    return { network, alice, bob };
  });

  it.effect("both get a channel, agree on one of the two, and let the other expire", () =>
    Effect.gen(function* () {
      const { network, alice, bob } = yield* crossed;
      assert.strictEqual(network.connections(), 2);
      assert.strictEqual(alice.manager.channels().length, 2);
      // The one that the relay with the smaller identity opened.
      const atAlice = yield* alice.manager.get(targetOf(BOB, B));
      const atBob = yield* bob.manager.get(targetOf(ALICE, A));
      assert.isTrue(atAlice.initiated);
      assert.isFalse(atBob.initiated);
      yield* bob.manager.acceptCircuits((request) => request.accept(makeSignals()));
      const circuit = yield* atAlice.openCircuit(makeSignals());
      circuit.sendCell(ChannelCommand.CREATE_FAST, Buffer.alloc(20));
      yield* TestClock.adjust("1 second");
      // One with circuits is preferred by both, whoever opened it.
      assert.strictEqual(yield* bob.manager.get(targetOf(ALICE, A)), atBob);
      yield* TestClock.adjust("62 minutes");
      assert.strictEqual(network.connections(), 1);
      assert.deepStrictEqual(alice.manager.channels(), [atAlice]);
      assert.deepStrictEqual(bob.manager.channels(), [atBob]);
      assert.include(alice.ended.concat(bob.ended), "idle");
    }),
  );

  it.effect("prefer the channel that has more circuits", () =>
    Effect.gen(function* () {
      const { alice } = yield* crossed;
      const openedByBob = alice.manager.channels().find((channel) => !channel.initiated)!;
      yield* openedByBob.openCircuit(makeSignals());
      assert.strictEqual(yield* alice.manager.get(targetOf(BOB, B)), openedByBob);
    }),
  );

  it.effect("stop waiting for their own attempt when the other's has succeeded", () =>
    Effect.gen(function* () {
      const { network, alice, bob } = yield* aliceAndBob();
      // Nothing gets to an old address of Bob's.
      network.stall(A, "10.9.9.9", true);
      const waiting = yield* Effect.forkChild(alice.manager.get(targetOf(BOB, "10.9.9.9")));
      yield* TestClock.adjust("1 second");
      assert.isUndefined(waiting.pollUnsafe());
      yield* bob.manager.get(targetOf(ALICE, A));
      yield* TestClock.adjust("1 second");
      const channel = yield* Fiber.join(waiting);
      assert.deepStrictEqual(channel.peer, BOB.peer);
      yield* TestClock.adjust("10 minutes");
      // The attempt was given up, and nobody complained of it.
      assert.deepStrictEqual(alice.refused, []);
      assert.deepStrictEqual(alice.manager.channels(), [channel]);
    }),
  );
});

describe("a relay with several addresses", () => {
  it.effect("is tried at one after the other, until one proves to be it", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      const client = yield* makeManager(network, CLIENT, undefined);
      yield* makeRelay(network, B, BOB);
      yield* makeRelay(network, C, CAROL);
      const silent = yield* transportOf(network, "10.0.0.8");
      yield* silent.listen({ host: "10.0.0.8", port: PORT }, { tls: BOB.tls, onConnection: () => {} });
      network.stall(CLIENT, "10.0.0.7", true);
      const target = targetOf(BOB, "10.0.0.6", "10.0.0.7", "10.0.0.8", C, B, "10.0.0.9");
      const asking = yield* Effect.forkChild(client.manager.get(target));
      yield* TestClock.adjust("59 seconds");
      assert.isUndefined(asking.pollUnsafe());
      yield* TestClock.adjust("2 seconds");
      assert.deepStrictEqual((yield* Fiber.join(asking)).peer, BOB.peer);
      assert.deepStrictEqual(
        client.refused.map(([{ host }]) => host),
        ["10.0.0.6", "10.0.0.7", "10.0.0.8", C],
      );
      const [refused, unreachable, mute, stranger] = client.refused.map(([, error]) => error);
      assert.deepInclude(refused, { _tag: "TransportError", kind: "refused" });
      assert.deepStrictEqual(unreachable, new ChannelTimeout({ step: "connect" }));
      assert.deepStrictEqual(mute, new ChannelTimeout({ step: "handshake" }));
      assert.instanceOf(stranger, LinkHandshakeError);
      assert.deepInclude(stranger, { problem: "wrongIdentity" });
      // What was tried in vain is closed.
      assert.strictEqual(client.manager.channels().length, 1);
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(network.cut(CLIENT, C), 0);
    }),
  );

  it.effect("is not reached when none of them answers: the last error counts", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      const client = yield* makeManager(network, CLIENT, undefined);
      yield* makeRelay(network, C, CAROL);
      const error = yield* Effect.flip(client.manager.get(targetOf(BOB, C, "10.0.0.6")));
      assert.deepInclude(error, { _tag: "TransportError", kind: "refused" });
      // A second try is a new one.
      yield* makeRelay(network, "10.0.0.6", BOB);
      assert.deepStrictEqual((yield* client.manager.get(targetOf(BOB, C, "10.0.0.6"))).peer, BOB.peer);
    }),
  );

  it.effect("is not reached without an address", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      const client = yield* makeManager(network, CLIENT, undefined);
      const error = yield* Effect.flip(client.manager.get(targetOf(BOB)));
      assert.instanceOf(error, TransportError);
      assert.deepInclude(error, { kind: "unreachable", code: "NO_ADDRESS" });
    }),
  );

  it.effect("keeps nobody waiting who knows a better one", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      const client = yield* makeManager(network, CLIENT, undefined);
      yield* makeRelay(network, B, BOB);
      network.stall(CLIENT, "10.0.0.7", true);
      const misled = yield* Effect.forkChild(client.manager.get(targetOf(BOB, "10.0.0.7")));
      yield* TestClock.adjust("1 second");
      const channel = yield* client.manager.get(targetOf(BOB, B));
      assert.deepStrictEqual(channel.peer, BOB.peer);
      // And who was misled has it too.
      assert.strictEqual(yield* Fiber.join(misled), channel);
    }),
  );
});

describe("an address that opens many connections", () => {
  it.effect("is refused beyond the limit, until some have ended", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      const bob = yield* makeRelay(network, B, BOB, { maxPerAddress: 2 });
      const clients = [];
      for (let count = 0; count < 2; count++) clients.push(yield* makeManager(network, CLIENT, undefined));
      for (const client of clients) yield* client.manager.get(targetOf(BOB, B));
      const third = yield* makeManager(network, CLIENT, undefined);
      const error = yield* Effect.flip(third.manager.get(targetOf(BOB, B)));
      assert.deepInclude(error, { _tag: "TransportError", kind: "reset" });
      assert.strictEqual(bob.refused.length, 1);
      assert.strictEqual(bob.refused[0]![0].host, CLIENT);
      assert.deepStrictEqual(bob.refused[0]![1], new ChannelLimit({ limit: "channelsPerAddress" }));
      assert.strictEqual((bob.refused[0]![1] as ChannelLimit).fault, "resource");
      // Others are not concerned.
      const elsewhere = yield* makeManager(network, "10.1.0.2", undefined);
      yield* elsewhere.manager.get(targetOf(BOB, B));
      yield* clients[0]!.close;
      yield* TestClock.adjust("1 second");
      yield* third.manager.get(targetOf(BOB, B));
    }),
  );

  it.effect("is not limited in channels that have authenticated", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      yield* makeRelay(network, B, BOB, { maxPerAddress: 1 });
      for (const identity of [ALICE, CAROL, makeIdentity("four", 0)]) {
        const relay = yield* makeManager(network, A, identity);
        yield* relay.manager.get(targetOf(BOB, B));
        yield* TestClock.adjust("1 second");
      }
      assert.strictEqual(network.connections(), 3);
    }),
  );

  it.effect("counts connections from their first packet on, until they come to nothing", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      const bob = yield* makeRelay(network, B, BOB, { maxPerAddress: 1 });
      const mallory = yield* transportOf(network, CLIENT);
      // One that does not speak TLS, one that says nothing, one that says nonsense.
      yield* Effect.flip(mallory.connect({ host: B, port: PORT }, { tls: false }));
      assert.deepInclude(bob.refused[0]![1], { _tag: "TransportError", kind: "tls" });
      const mute = yield* mallory.connect({ host: B, port: PORT }, { tls: true });
      const client = yield* makeManager(network, CLIENT, undefined);
      yield* Effect.flip(client.manager.get(targetOf(BOB, B)));
      yield* TestClock.adjust("30 seconds");
      assert.strictEqual(mute.status, "ended");
      assert.deepStrictEqual(bob.refused.at(-1)![1], new ChannelTimeout({ step: "handshake" }));
      const noisy = yield* mallory.connect({ host: B, port: PORT }, { tls: true });
      noisy.write(Buffer.alloc(600, 0x41));
      yield* TestClock.adjust("1 second");
      assert.deepInclude(bob.refused.at(-1)![1], { _tag: "LinkHandshakeError" });
      mute.destroy();
      noisy.destroy();
      yield* client.manager.get(targetOf(BOB, B));
    }),
  );
});

describe("a relay whose certificates are renewed", () => {
  it.effect("is itself for those who connected before, and presents the new ones afterwards", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork({ latency: "10 millis" });
      let identity: LinkIdentity = BOB;
      const bob = yield* makeManager(network, B, undefined, { local: () => ({ identity, addresses: [B] }) });
      yield* bob.manager.listen({ host: B, port: PORT });
      const stranger = yield* transportOf(network, "10.1.0.9");
      const presented = Effect.gen(function* () {
        const connecting = yield* Effect.forkChild(stranger.connect({ host: B, port: PORT }, { tls: true }));
        yield* TestClock.adjust("1 second");
        const connection = yield* Fiber.join(connecting);
        connection.destroy();
        return connection.tls!.peerCertificateDigest!.toString("hex");
      });
      const client = (host: string) =>
        Effect.gen(function* () {
          const { manager } = yield* makeManager(network, host, undefined);
          const asking = yield* Effect.forkChild(manager.get(targetOf(BOB, B)));
          yield* TestClock.adjust("1 second");
          return (yield* Fiber.join(asking)).peer;
        });
      const before = yield* presented;
      assert.deepStrictEqual(yield* client("10.1.0.1"), BOB.peer);
      identity = renewed(BOB, NOW + 26 * 3_600_000);
      // TLS still presents the old certificate to the first who comes, and CERTS goes with it.
      assert.deepStrictEqual(yield* client("10.1.0.2"), BOB.peer);
      assert.notStrictEqual(yield* presented, before);
      assert.deepStrictEqual(yield* client("10.1.0.3"), BOB.peer);
    }),
  );
});

describe("a relay that reaches itself", () => {
  it.effect("says so", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      const alice = yield* makeRelay(network, A, ALICE);
      const error = yield* Effect.flip(alice.manager.get({ endpoints: [{ host: A, port: PORT }] }));
      assert.deepInclude(error, { _tag: "LinkHandshakeError", problem: "self" });
    }),
  );
});

describe("the end of a manager", () => {
  it.effect("closes all channels, tells all circuits, and leaves nothing", () =>
    Effect.gen(function* () {
      const { network, alice, bob } = yield* aliceAndBob();
      const channel = yield* alice.manager.get(targetOf(BOB, B));
      const signals = makeSignals();
      const circuit = yield* channel.openCircuit(signals);
      yield* TestClock.adjust("1 second");
      assert.strictEqual((yield* Topology.snapshot).groups.length, 2);
      yield* alice.close;
      assert.deepStrictEqual(circuit.inbox.ended(), { _tag: "ChannelClosed" });
      assert.strictEqual(signals.ends, 1);
      assert.deepStrictEqual(alice.ended, ["shutdown"]);
      assert.deepStrictEqual(alice.manager.channels(), []);
      assert.strictEqual((yield* Topology.snapshot).groups.length, 1);
      yield* TestClock.adjust("1 second");
      assert.strictEqual(network.connections(), 0);
      assert.deepStrictEqual(bob.manager.channels(), []);
      assert.strictEqual((yield* Topology.snapshot).groups.length, 0);
      assert.deepStrictEqual(yield* Effect.flip(alice.manager.get(targetOf(BOB, B))), new ChannelsClosed());
    }).pipe(Effect.provide(Topology.layer)),
  );

  it.effect("ends the waiting of those who wait for a channel", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      const alice = yield* makeRelay(network, A, ALICE);
      network.stall(A, B, true);
      const waiting = yield* Effect.forkChild(Effect.flip(alice.manager.get(targetOf(BOB, B))));
      yield* TestClock.adjust("1 second");
      yield* alice.close;
      const error = yield* Fiber.join(waiting);
      assert.deepStrictEqual(error, new ChannelsClosed());
      assert.strictEqual((error as ChannelsClosed).fault, "resource");
    }),
  );

  it.effect("admits nobody, though its listener is still open", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      const bob = yield* makeRelay(network, B, BOB);
      yield* bob.close;
      const client = yield* makeManager(network, CLIENT, undefined);
      const error = yield* Effect.flip(client.manager.get(targetOf(BOB, B)));
      assert.deepInclude(error, { _tag: "TransportError", kind: "reset" });
      assert.strictEqual(network.connections(), 0);
    }),
  );

  it.effect.prop("at any moment leaves no connection, channel or group", { seed: Schema.Int }, ({ seed }) =>
    Effect.gen(function* () {
      const random = new Random(seed);
      const network = yield* makeNetwork({ latency: random.below(20), bandwidth: 20_000 + random.below(1e6) });
      const relays = [
        yield* makeRelay(network, A, ALICE),
        yield* makeRelay(network, B, BOB),
        yield* makeRelay(network, C, CAROL),
      ];
      const targets = [targetOf(ALICE, "10.9.9.9", A), targetOf(BOB, B), targetOf(CAROL, C, B)];
      for (let step = 0; step < 12; step++) {
        const { manager } = random.pick(relays);
        const asking = yield* Effect.forkChild(Effect.exit(manager.get(random.pick(targets))));
        yield* TestClock.adjust(random.below(40));
        if (random.oneIn(4)) yield* Fiber.interrupt(asking);
        if (random.oneIn(8)) network.cut(A, B);
      }
      for (const relay of relays) {
        yield* relay.close;
        yield* TestClock.adjust(random.below(10));
      }
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(network.connections(), 0);
      for (const { manager, opened, ended } of relays) {
        assert.deepStrictEqual(manager.channels(), []);
        assert.strictEqual(opened.length, ended.length);
      }
      assert.deepStrictEqual((yield* Topology.snapshot).groups, []);
    }).pipe(Effect.scoped, Effect.provide(Topology.layer)),
  );
});

describe("a bug on the way to a channel", () => {
  it.effect("reaches those who wait for it, is logged, and leaves no connection", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      yield* makeRelay(network, B, BOB);
      const logged: Array<unknown> = [];
      const logger = Logger.make(({ message }) => {
        logged.push(message);
      });
      const client = yield* makeManager(network, CLIENT, undefined, {
        observer: {
          onOpen: () => {
            throw new Error("not thought of");
          },
        },
      }).pipe(Effect.provide(Logger.layer([logger])));
      const exit = yield* Effect.exit(client.manager.get(targetOf(BOB, B)));
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause));
      assert.strictEqual(logged.length, 1);
      yield* TestClock.adjust("1 second");
      assert.strictEqual(network.connections(), 0);
      assert.deepStrictEqual(client.manager.channels(), []);
    }),
  );
});

describe("listening", () => {
  it.effect("is not for a client", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      const client = yield* makeManager(network, CLIENT, undefined);
      const exit = yield* Effect.exit(client.manager.listen({ host: CLIENT, port: PORT }));
      assert.isTrue(Exit.isFailure(exit));
    }),
  );

  it.effect("fails where an address is in use", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork();
      const bob = yield* makeRelay(network, B, BOB);
      const error = yield* Effect.flip(bob.manager.listen({ host: B, port: PORT }));
      assert.strictEqual(error.kind, "addressInUse");
    }),
  );
});
