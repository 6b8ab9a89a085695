import * as net from "node:net";
import * as tls from "node:tls";
import { ChannelCommand, DestroyReason } from "@allium/cell";
import { Signal } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { eventLoopTurn, until } from "../../../test/support/event-loop.ts";
import { type ChannelError, ChannelLimit, type Endpoint, MemoryNetwork } from "../src/index.ts";
import { acceptCircuit, makeSignals, openChannel, settle, settleUntil } from "./support/channel.ts";
import { makeIdentity, NOW } from "./support/identities.ts";
import { ALICE, BOB, makeManager, makeRelay, PORT, targetOf } from "./support/manager.ts";
import { transportOf } from "./support/memory.ts";
import { nodeTransport } from "./support/sockets.ts";

const B = "10.0.0.2";
const CLIENT = "10.1.0.1";

const makeNetwork = Effect.andThen(TestClock.setTime(NOW), MemoryNetwork.make());

const limitsOf = (refused: ReadonlyArray<readonly [Endpoint, ChannelError]>) =>
  refused.map(([, error]) => (error instanceof ChannelLimit ? error.limit : error._tag));

describe("whoever admits connections", () => {
  it.effect("is asked before TLS, and told once when each has authenticated or has ended", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork;
      const asked: Array<string> = [];
      const left: Array<number> = [];
      const bob = yield* makeRelay(network, B, BOB, {
        admit: (address) => {
          const number = asked.push(address);
          return address === "10.1.0.9" ? undefined : () => left.push(number);
        },
      });
      const relay = yield* makeManager(network, "10.0.0.1", ALICE);
      yield* relay.manager.get(targetOf(BOB, B));
      yield* settle;
      assert.deepStrictEqual(left, [1]);
      const client = yield* makeManager(network, CLIENT, undefined);
      yield* client.manager.get(targetOf(BOB, B));
      const mallory = yield* transportOf(network, CLIENT);
      // Not TLS at all.
      yield* Effect.flip(mallory.connect({ host: B, port: PORT }, { tls: false }));
      assert.deepStrictEqual(left, [1, 3]);
      const refused = yield* transportOf(network, "10.1.0.9");
      yield* Effect.flip(refused.connect({ host: B, port: PORT }, { tls: true }));
      assert.deepStrictEqual(limitsOf(bob.refused), ["TransportError", "notAdmitted"]);
      yield* client.close;
      yield* TestClock.adjust("1 second");
      yield* relay.close;
      yield* TestClock.adjust("1 second");
      assert.deepStrictEqual(asked, ["10.0.0.1", CLIENT, CLIENT, "10.1.0.9"]);
      assert.deepStrictEqual(left, [1, 3, 2]);
    }),
  );

  it.effect("is not asked about an address that has too many already, which a refusal does not make more", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork;
      let admits = false;
      let asked = 0;
      const bob = yield* makeRelay(network, B, BOB, {
        maxPerAddress: 1,
        admit: () => {
          asked++;
          return admits ? () => {} : undefined;
        },
      });
      const mallory = yield* transportOf(network, CLIENT);
      const connect = Effect.exit(mallory.connect({ host: B, port: PORT }, { tls: true }));
      for (let count = 0; count < 3; count++) yield* connect;
      admits = true;
      for (let count = 0; count < 3; count++) yield* connect;
      assert.strictEqual(asked, 4);
      assert.deepStrictEqual(limitsOf(bob.refused), [
        "notAdmitted",
        "notAdmitted",
        "notAdmitted",
        "channelsPerAddress",
        "channelsPerAddress",
      ]);
    }),
  );
});

describe("handshakes under way", () => {
  it.effect("of links are bounded: the oldest makes room, and who is quick gets through", () =>
    Effect.gen(function* () {
      const network = yield* makeNetwork;
      const bob = yield* makeRelay(network, B, BOB, { maxLinkHandshakes: 3 });
      const mallory = yield* transportOf(network, CLIENT);
      const mute = [];
      for (let count = 0; count < 5; count++) {
        mute.push(yield* mallory.connect({ host: B, port: PORT }, { tls: true }));
        yield* settle;
      }
      assert.deepStrictEqual(
        mute.map(({ status }) => status),
        ["ended", "ended", "open", "open", "open"],
      );
      const client = yield* makeManager(network, CLIENT, undefined);
      yield* client.manager.get(targetOf(BOB, B));
      yield* settle;
      assert.deepStrictEqual(limitsOf(bob.refused), ["linkHandshakes", "linkHandshakes", "linkHandshakes"]);
      assert.strictEqual(bob.manager.channels().length, 1);
      // Open channels do not count.
      for (let count = 0; count < 5; count++) {
        const other = yield* makeManager(network, `10.1.0.${2 + count}`, undefined);
        yield* other.manager.get(targetOf(BOB, B));
        yield* settle;
      }
      assert.strictEqual(bob.manager.channels().length, 6);
    }),
  );

  it.live("of TLS are bounded: the oldest makes room, and who is quick gets through", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const failed: Array<string> = [];
      let accepted = 0;
      const listener = yield* transport.listen(
        { host: "127.0.0.1", port: 0 },
        {
          tls: makeIdentity("relay", 0, Date.now()).tls,
          maxHandshakes: 2,
          onFailed: (remote, why) => failed.push(`${remote.port} ${why}`),
          onConnection: () => accepted++,
        },
      );
      const closed: Array<number> = [];
      const ports: Array<number> = [];
      for (let count = 0; count < 4; count++) {
        const socket = net.connect(listener.endpoint.port, "127.0.0.1");
        yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()));
        socket.on("error", () => {});
        socket.on("close", () => closed.push(count));
        yield* Effect.callback((resume) => {
          socket.once("connect", () => resume(Effect.void));
        });
        ports.push(socket.localPort!);
        // Until it was accepted.
        for (let turn = 0; turn < 20; turn++) yield* eventLoopTurn;
      }
      yield* until(() => closed.length >= 2);
      assert.deepStrictEqual(closed, [0, 1]);
      assert.deepStrictEqual(failed, [`${ports[0]} crowded`, `${ports[1]} crowded`]);
      yield* transport.connect(listener.endpoint, { tls: true });
      yield* until(() => accepted >= 1);
      assert.deepStrictEqual(failed.at(-1), `${ports[2]} crowded`);
    }).pipe(Effect.scoped),
  );

  it.live("of TLS that fail are told apart from those that had to make room", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const failed: Array<string> = [];
      const listener = yield* transport.listen(
        { host: "127.0.0.1", port: 0 },
        {
          tls: makeIdentity("relay", 0, Date.now()).tls,
          onFailed: (_remote, why) => failed.push(why),
          onConnection: () => {},
        },
      );
      const socket = net.connect(listener.endpoint.port, "127.0.0.1");
      socket.on("error", () => {});
      socket.write("GET / HTTP/1.0\r\n\r\n");
      yield* until(() => failed.length > 0);
      assert.deepStrictEqual(failed, ["failed"]);
      socket.destroy();
    }).pipe(Effect.scoped),
  );

  it.live("of TLS that the client leaves keep no place until their time is over", () =>
    Effect.gen(function* () {
      const transport = yield* nodeTransport;
      const failed: Array<string> = [];
      const { endpoint } = yield* transport.listen(
        { host: "127.0.0.1", port: 0 },
        {
          tls: makeIdentity("relay", 0, Date.now()).tls,
          onFailed: (_remote, why) => failed.push(why),
          onConnection: (connection) => {
            failed.push("finished");
            connection.destroy();
          },
        },
      );
      // Before the first byte; and as soon as its own side is done, when the last message has perhaps not left.
      const early = net.connect(endpoint.port, endpoint.host, () => early.end());
      yield* until(() => failed.length >= 1);
      assert.deepStrictEqual(failed, ["failed"]);
      const late = tls.connect({ ...endpoint, rejectUnauthorized: false }, () => late.destroy());
      yield* until(() => failed.length >= 2);
      early.destroy();
    }).pipe(Effect.scoped),
  );
});

describe("circuits of a channel", () => {
  it.effect("are bounded: further CREATEs are refused, and none of ours is opened", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ config: { maxCircuits: 2 } });
      const first = yield* acceptCircuit(test, 1);
      yield* acceptCircuit(test, 2);
      test.peer.message(3, { _tag: "CREATE_FAST", keyMaterial: Buffer.alloc(20) });
      yield* settle;
      assert.strictEqual(test.requests.length, 0);
      const [destroy] = test.peer.take();
      assert.deepInclude(destroy, { name: "DESTROY", circId: 3 });
      assert.strictEqual(destroy!.body[0], DestroyReason.RESOURCELIMIT);
      assert.strictEqual(test.channel.counters.refusedCreates, 1);
      const open = test.channel.openCircuit({ inbound: Signal.make() });
      assert.deepStrictEqual(yield* Effect.flip(open), new ChannelLimit({ limit: "circuits" }));
      first.destroy(DestroyReason.FINISHED);
      yield* acceptCircuit(test, 4);
      assert.strictEqual(test.channel.circuitCount, 2);
    }),
  );

  it.effect("have inboxes with a bound for each direction", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({ config: { inboxLimitBytes: (ours) => (ours ? 3 : 2) * 509 } });
      const theirs = yield* acceptCircuit(test, 1);
      const ours = yield* test.channel.openCircuit({ inbound: Signal.make() });
      for (const { circId } of [theirs, ours]) {
        for (let count = 0; count < 3; count++) test.peer.relay(circId, count, ChannelCommand.RELAY);
      }
      yield* settle;
      assert.strictEqual(theirs.inbox.ended()?._tag, "Overrun");
      assert.isUndefined(ours.inbox.ended());
      assert.strictEqual(ours.inbox.bytes, 3 * 509);
    }),
  );

  it.effect("that are ended before they were answered count as answers: a peer that does not read gets no more", () =>
    Effect.gen(function* () {
      const test = yield* openChannel({
        farReadBytes: 1,
        onCreate: (request) => request.accept(makeSignals()).destroy(DestroyReason.PROTOCOL),
      });
      test.network.stall("10.0.0.2", "10.0.0.1", true);
      for (let circId = 1; circId <= 1_200; circId++) {
        test.peer.message(circId, { _tag: "CREATE_FAST", keyMaterial: Buffer.alloc(20) });
      }
      yield* settleUntil(() => test.channel.counters.cellsIn === 1_200);
      // What may wait, and what one write took before it was so much.
      const answered = 1_200 - test.channel.counters.droppedCreates;
      assert.isAtLeast(answered, 1_024);
      assert.isAtMost(answered, 1_024 + test.channel.counters.cellsOut);
    }),
  );
});
