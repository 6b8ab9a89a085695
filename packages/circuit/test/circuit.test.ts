import { randomBytes } from "node:crypto";
import {
  ChannelManager,
  DEFAULT_PADDING_PARAMS,
  Entropy,
  layerChannelManager,
  layerEntropySeeded,
  MemoryNetwork,
} from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Layer } from "effect";
import { TestClock } from "effect/testing";
import { readBytes } from "./support/application.ts";
import { createClientCircuit } from "./support/client-circuit.ts";
import { echo, openersServing } from "./support/echo-openers.ts";
import { endpointOf, makeTestIdentity, startRelay } from "./support/relay-under-test.ts";

const NOW = Date.UTC(2026, 0, 1);

const HOSTS = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];

/** Three relays on a network without latency, and a client with a channel to the first. */
const network = (options: { split: boolean; maxTrain: number }) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(NOW);
    const memory = yield* MemoryNetwork.make();
    const entropy = yield* Entropy;
    const relays = [];
    for (const [index, host] of HOSTS.entries()) {
      const identity = yield* makeTestIdentity(host, index, NOW);
      relays.push(
        yield* startRelay(memory, identity, openersServing(echo), {
          split: options.split,
          limits: { maxTrain: options.maxTrain },
          maxTrain: options.maxTrain,
        }),
      );
    }
    const client = yield* Layer.build(
      layerChannelManager({
        local: () => ({ identity: undefined, addresses: [] }),
        padding: () => DEFAULT_PADDING_PARAMS,
        idleTimeoutMillis: () => 3_600_000,
        maxTrain: options.maxTrain,
      }).pipe(Layer.provide(memory.host("10.1.0.1")), Layer.provide(Layer.succeed(Entropy, entropy))),
    );
    const guard = relays[0]!.identity;
    const channel = yield* Context.get(client, ChannelManager).get({
      endpoints: [endpointOf(guard)],
      ...guard.link.peer,
    });
    return { memory, relays, channel, entropy };
  });

const variants = [
  { split: false, maxTrain: 32 },
  { split: false, maxTrain: 1 },
  { split: true, maxTrain: 32 },
];

for (const variant of variants) {
  describe(`a circuit of three relays, ${variant.split ? "split" : "single"} stream reactor, maxTrain ${variant.maxTrain}`, () => {
    for (const congestionControl of [true, false]) {
      it.effect(`carries a stream both ways, ${congestionControl ? "Vegas" : "fixed windows"}`, () =>
        Effect.gen(function* () {
          const { relays, channel, entropy } = yield* network(variant);
          const circuit = yield* createClientCircuit(channel, relays[0]!.identity, {
            entropy,
            congestionControl,
            split: variant.split,
            maxTrain: variant.maxTrain,
          });
          yield* circuit.extend(relays[1]!.identity);
          yield* circuit.extend(relays[2]!.identity);
          const { connection } = yield* circuit.open(2, "example.com:80");
          const sent = randomBytes(600_000);
          connection.write(sent);
          const back = yield* readBytes(connection, sent.length);
          assert.isTrue(back.equals(sent));
          assert.strictEqual(relays[2]!.circuits.circuits().length, 1);
          // Leaky pipe: the middle relay answers too, and the stream at the exit goes on.
          const directory = yield* circuit.openDirectory(1);
          directory.connection.write(Buffer.from("GET"));
          assert.strictEqual((yield* readBytes(directory.connection, 3)).toString(), "GET");
          yield* circuit.group.stop("finished");
          yield* TestClock.adjust("1 second");
          for (const relay of relays) assert.strictEqual(relay.circuits.circuits().length, 0);
        }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("circuit"))),
      );
    }
  });
}
