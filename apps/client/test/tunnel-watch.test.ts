import { lookup } from "node:dns";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { NodeTransport, Transport } from "@allium/channel";
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TunnelWatch } from "../src/tunnel-watch.ts";

const server = createServer();
let endpoint: { host: string; port: number };
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endpoint = { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
});
afterAll(() => server.close());

/** What is found of what runs meanwhile. */
const watched = <E>(work: (watch: TunnelWatch) => Effect.Effect<unknown, E>) =>
  Effect.gen(function* () {
    const watch = new TunnelWatch();
    watch.start();
    yield* work(watch);
    return watch.stop();
  });

describe("a watch over what leaves", () => {
  it.live("knows the connections of its transport", () =>
    Effect.gen(function* () {
      const found = yield* watched((watch) =>
        Effect.flatMap(Transport, (transport) => transport.connect(endpoint, { tls: false })).pipe(
          Effect.map((connection) => connection.destroy()),
          Effect.provide(watch.layer),
          Effect.provide(NodeTransport.layer),
        ),
      );
      assert.deepStrictEqual(found, { relays: 1, leaks: [] });
    }),
  );

  it.live("finds a connection past it", () =>
    Effect.gen(function* () {
      const found = yield* watched(() =>
        Effect.callback<void>((resume) => {
          const socket = connect(endpoint.port, endpoint.host, () => {
            socket.destroy();
            resume(Effect.void);
          });
        }),
      );
      assert.deepStrictEqual(found, { relays: 0, leaks: [`a connection to 127.0.0.1:${endpoint.port}`] });
    }),
  );

  it.live("finds a name that is looked up", () =>
    Effect.gen(function* () {
      const found = yield* watched(() =>
        Effect.callback<void>((resume) => lookup("localhost", () => resume(Effect.void))),
      );
      assert.deepStrictEqual(found.leaks, ["a name was looked up by the system"]);
    }),
  );
});
