import { ChannelCommand, encodeFixedCell } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import {
  ChannelLost,
  ChannelTimeout,
  type Connection,
  connectionPair,
  LinkHandshakeError,
  layerEntropySeeded,
  MemoryNetwork,
  openAsInitiator,
  openAsResponder,
  TransportError,
} from "../src/index.ts";
import { cells, certsOf, INITIATOR, NETINFO, RESPONDER, VERSIONS } from "./support/handshake.ts";
import { NOW } from "./support/identities.ts";
import { CLIENT, connectFrom, listenOn, SERVER } from "./support/memory.ts";
import { readAll } from "./support/read-all.ts";

const entropy = layerEntropySeeded("open channel");

/** Two TLS connections that lead to each other, with the responder's certificate. */
const tlsPair = Effect.gen(function* () {
  yield* TestClock.setTime(NOW);
  const network = yield* MemoryNetwork.make();
  const { accepted } = yield* listenOn(network, { tls: RESPONDER.tls });
  const client = yield* connectFrom(network, CLIENT, { tls: true });
  return { network, client, server: accepted[0] as Connection };
});

const asRelay = (connection: Connection) =>
  openAsInitiator(connection, { identity: INITIATOR, addresses: [CLIENT] }, RESPONDER.peer).pipe(
    Effect.provide(entropy),
  );

const asServer = (connection: Connection) =>
  openAsResponder(connection, RESPONDER, [SERVER.host]).pipe(Effect.provide(entropy));

describe("opening a channel", () => {
  it.effect("works from both ends, with and without an identity", () =>
    Effect.gen(function* () {
      const relays = yield* tlsPair;
      const [one, other] = yield* Effect.all([asRelay(relays.client), asServer(relays.server)], { concurrency: 2 });
      assert.deepStrictEqual(one.established.peer, RESPONDER.peer);
      assert.deepStrictEqual(other.established.peer, INITIATOR.peer);
      assert.deepStrictEqual(other.established.netinfo.myAddresses, [{ family: 4, address: CLIENT }]);
      assert.deepStrictEqual(other.established.netinfo.otherAddress, { family: 4, address: SERVER.host });
      assert.strictEqual(one.connection, relays.client);
    }),
  );

  it.effect("lets a client in that proves nothing", () =>
    Effect.gen(function* () {
      const { client, server } = yield* tlsPair;
      const anonymous = openAsInitiator(client, { identity: undefined, addresses: [] }, RESPONDER.peer).pipe(
        Effect.provide(entropy),
      );
      const [, other] = yield* Effect.all([anonymous, asServer(server)], { concurrency: 2 });
      assert.isUndefined(other.established.peer);
    }),
  );

  it.effect("leaves the cells behind the handshake to the channel", () =>
    Effect.gen(function* () {
      const { client, server } = yield* tlsPair;
      const create = encodeFixedCell(0x8000_0001, ChannelCommand.CREATE_FAST, Buffer.alloc(20, 7));
      client.write(Buffer.concat([cells(VERSIONS, NETINFO), create]));
      const { decoder } = yield* asServer(server);
      assert.isTrue(decoder.next());
      assert.strictEqual(decoder.circId, 0x8000_0001);
      assert.strictEqual(decoder.command, ChannelCommand.CREATE_FAST);
    }),
  );

  it.effect("is given up after 30 seconds of silence", () =>
    Effect.gen(function* () {
      const { client, server } = yield* tlsPair;
      for (const opening of [asRelay(client), asServer(server)]) {
        const fiber = yield* Effect.forkChild(Effect.flip(opening));
        yield* TestClock.adjust("29 seconds");
        assert.isUndefined(fiber.pollUnsafe());
        yield* TestClock.adjust("1 second");
        const error = yield* Fiber.join(fiber);
        assert.deepStrictEqual(error, new ChannelTimeout({ step: "handshake" }));
        assert.strictEqual((error as ChannelTimeout).fault, "timeout");
      }
    }),
  );

  it.effect("is given up after 30 seconds though the peer goes on and on", () =>
    Effect.gen(function* () {
      const { client, server } = yield* tlsPair;
      const fiber = yield* Effect.forkChild(Effect.flip(asServer(server)));
      client.write(cells(VERSIONS));
      for (let second = 0; second < 30; second++) {
        yield* TestClock.adjust("1 second");
        client.write(cells({ _tag: "VPADDING", length: 10 }));
      }
      assert.instanceOf(yield* Fiber.join(fiber), ChannelTimeout);
    }),
  );

  it.effect("refuses more than 128 KiB before NETINFO", () =>
    Effect.gen(function* () {
      const { client, server } = yield* tlsPair;
      const padding = cells({ _tag: "VPADDING", length: 16_000 });
      client.write(cells(VERSIONS));
      for (let count = 0; count < 9; count++) client.write(padding);
      const error = yield* Effect.flip(asServer(server));
      assert.instanceOf(error, LinkHandshakeError);
      assert.deepInclude(error, { problem: "malformedCell", where: "handshake" });
    }),
  );

  it.effect("refuses an oversized cell by its header", () =>
    Effect.gen(function* () {
      const { client, server } = yield* tlsPair;
      client.write(Buffer.concat([cells(VERSIONS), Buffer.from("0000000080ffff", "hex")]));
      const error = yield* Effect.flip(asServer(server));
      assert.instanceOf(error, LinkHandshakeError);
      assert.strictEqual((error as LinkHandshakeError).problem, "malformedCell");
    }),
  );

  it.effect("refuses what the handshake refuses", () =>
    Effect.gen(function* () {
      const { client, server } = yield* tlsPair;
      client.write(cells(VERSIONS, certsOf([])));
      const error = yield* Effect.flip(asServer(server));
      assert.deepInclude(error, { _tag: "LinkHandshakeError", problem: "missingCertificate" });
    }),
  );

  it.effect("says that the connection was lost, and of what", () =>
    Effect.gen(function* () {
      const orderly = yield* tlsPair;
      orderly.client.write(cells(VERSIONS));
      orderly.client.end();
      assert.deepStrictEqual(yield* Effect.flip(asServer(orderly.server)), new ChannelLost({ cause: undefined }));
      const cut = yield* tlsPair;
      const fiber = yield* Effect.forkChild(Effect.flip(asServer(cut.server)));
      yield* TestClock.adjust("1 second");
      cut.network.cut(CLIENT, SERVER.host);
      const error = yield* Fiber.join(fiber);
      assert.instanceOf(error, ChannelLost);
      assert.deepInclude((error as ChannelLost).cause, { kind: "reset" });
    }),
  );

  it.effect("says that the connection was lost when its TLS session is gone before the proof was checked", () =>
    Effect.gen(function* () {
      const { client, server } = yield* tlsPair;
      const reset = new TransportError({ kind: "reset", code: "ECONNRESET", endpoint: server.remote });
      Object.assign(server, {
        tls: {
          ...server.tls,
          exporter: () => {
            throw reset;
          },
        },
      });
      const [, error] = yield* Effect.all(
        [Effect.exit(Effect.timeout(asRelay(client), 1000)), Effect.flip(asServer(server))],
        {
          concurrency: 2,
        },
      ).pipe(Effect.raceFirst(Effect.andThen(TestClock.adjust("2 seconds"), Effect.never)));
      assert.deepStrictEqual(error, new ChannelLost({ cause: reset }));
    }),
  );

  it.effect("refuses a connection without TLS", () =>
    Effect.gen(function* () {
      const [plain] = connectionPair();
      const error = yield* Effect.flip(asRelay(plain));
      assert.deepInclude(error, { problem: "badCertificate", where: "TLS" });
    }),
  );

  it.effect("answers in the order of the protocol", () =>
    Effect.gen(function* () {
      const { client, server } = yield* tlsPair;
      const fiber = yield* Effect.forkChild(asServer(server));
      yield* TestClock.adjust("1 second");
      assert.strictEqual(client.readable, 0);
      client.write(cells(VERSIONS));
      yield* TestClock.adjust("1 second");
      assert.isAbove(readAll(client).length, 514);
      client.write(cells(NETINFO));
      const { established } = yield* Fiber.join(fiber);
      assert.strictEqual(established.linkProtocol, 5);
    }),
  );
});
