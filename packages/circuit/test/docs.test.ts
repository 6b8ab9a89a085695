import { readdirSync, readFileSync } from "node:fs";
import {
  type Connection,
  DEFAULT_PADDING_PARAMS,
  type LinkIdentity,
  layerChannelManager,
  layerEntropySeeded,
  ChannelManager as Manager,
  MemoryNetwork,
} from "@allium/channel";
import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Layer } from "effect";
import { TestClock } from "effect/testing";
import { RelayCircuits } from "../src/index.ts";
import { clientCircuits, get } from "./examples/client.ts";
import { relayCircuits, waiting } from "./examples/relay.ts";
import { readBytes } from "./support/application.ts";
import { hopOf } from "./support/client-circuit.ts";
import { settled } from "./support/lab.ts";
import { endpointOf, makeTestIdentity } from "./support/relay-under-test.ts";

const here = new URL(".", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, here), "utf8");

const NOW = Date.UTC(2026, 0, 1);

describe("what the README shows", () => {
  it("is a part of what runs here, but for the algorithm of one's own, which swapped.test.ts has", () => {
    const examples = readdirSync(new URL("examples/", here)).map((name) => read(`examples/${name}`));
    const blocks = [...read("../README.md").matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1] as string);
    const [missing, ...more] = blocks.filter((block) => !examples.some((example) => example.includes(block)));
    assert.match(missing ?? "", /new MyAlgorithm/);
    assert.deepStrictEqual(more, []);
    assert.isAtLeast(blocks.length, 3);
  });

  it.effect("a client gets a page through two relays", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(NOW);
      const memory = yield* MemoryNetwork.make();
      const channelsAt = (host: string, identity?: LinkIdentity) =>
        layerChannelManager({
          local: () => ({ identity, addresses: identity === undefined ? [] : [host] }),
          padding: () => DEFAULT_PADDING_PARAMS,
          idleTimeoutMillis: () => 3_600_000,
        }).pipe(Layer.provide(memory.host(host)), Layer.provide(layerEntropySeeded(host)));
      const served: Array<Connection> = [];
      const relays = yield* Effect.forEach(["10.0.0.1", "10.0.0.2"], (host, index) =>
        Effect.gen(function* () {
          const identity = yield* makeTestIdentity(host, index, NOW);
          const { rsaIdentity, ed25519Identity, onionKeys } = identity.server;
          const keys = {
            rsaIdentity: Buffer.from(rsaIdentity),
            ed25519Identity: Buffer.from(ed25519Identity),
            onionKeys,
          };
          const circuits = relayCircuits(keys, (connection) => served.push(connection));
          const context = yield* Layer.build(
            Layer.fresh(circuits.pipe(Layer.provideMerge(channelsAt(host, identity.link)))),
          );
          yield* Context.get(context, Manager).listen(endpointOf(identity));
          return { hop: hopOf(identity), circuits: Context.get(context, RelayCircuits) };
        }),
      );
      const client = yield* Layer.build(Layer.fresh(clientCircuits.pipe(Layer.provide(channelsAt("10.1.0.1")))));
      const [guard, exit] = relays as [(typeof relays)[0], (typeof relays)[0]];
      const page = yield* settled(get(guard.hop, exit.hop).pipe(Effect.provide(client)));
      const request = yield* settled(readBytes(served[0] as Connection, 18));
      assert.strictEqual(request.toString(), "GET / HTTP/1.0\r\n\r\n");
      served[0]?.write(Buffer.from("HTTP/1.0 200 OK\r\n\r\nHello"));
      served[0]?.end();
      assert.match((yield* settled(readBytes(page))).toString(), /Hello$/);
      const list = yield* waiting.pipe(Effect.provideService(RelayCircuits, guard.circuits));
      assert.deepStrictEqual(list, ["circuit 1: far side open, 0 bytes wait"]);
    }).pipe(Effect.scoped, Effect.provide(layerEntropySeeded("docs"))),
  );
});
