import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { echo, MemoryTorNetwork, startClient, whileTimePasses } from "../../../../test/memory-network/index.ts";
import { MemoryFiles } from "../../../directory/test/support/memory-files.ts";
import { open, pathOf } from "./support.ts";

const guardsOf = (files: MemoryFiles): ReadonlyArray<unknown> =>
  (JSON.parse(files.text("/client/guards.json") ?? "null") as { samples: { default: ReadonlyArray<unknown> } }).samples
    .default;

describe("a client that starts again", () => {
  it.effect("has its guards and its documents, and asks nobody for what it has", () =>
    Effect.gen(function* () {
      const files = new MemoryFiles();
      const network = yield* MemoryTorNetwork.make();
      yield* network.internet.serve("example.com", "93.184.216.34", 80, echo);
      const run = Effect.scoped(
        Effect.gen(function* () {
          const client = yield* startClient(network, { files });
          yield* whileTimePasses(Effect.orDie(client.ready));
          const { tunnel } = yield* open(client, "again");
          yield* TestClock.adjust("10 seconds");
          return pathOf(client, tunnel)[0];
        }),
      );
      // The first time the first tunnel is begun before it is known which guard has answered first.
      yield* run;
      const guard = yield* run;
      const sampled = guardsOf(files);
      const asked = network.questions.length;
      assert.isAbove(asked, 0);
      assert.strictEqual(yield* run, guard);
      assert.strictEqual(network.questions.length, asked, "all was there");
      assert.deepStrictEqual(
        guardsOf(files).map((one) => (one as { fingerprint: string }).fingerprint),
        sampled.map((one) => (one as { fingerprint: string }).fingerprint),
      );
      assert.isDefined(files.text("/client/build-times.json"));
      for (const [path, { mode }] of files.files) assert.strictEqual(mode & 0o077, 0, `${path} is nobody else's`);
    }).pipe(Effect.scoped),
  );

  it.effect("fetches anew what has expired meanwhile", () =>
    Effect.gen(function* () {
      const files = new MemoryFiles();
      const network = yield* MemoryTorNetwork.make();
      const run = Effect.scoped(
        Effect.gen(function* () {
          const client = yield* startClient(network, { files });
          yield* whileTimePasses(Effect.orDie(client.ready));
        }),
      );
      yield* run;
      const asked = network.questions.length;
      yield* TestClock.adjust("40 hours");
      yield* run;
      const since = network.questions.slice(asked);
      assert.isTrue(since.some(({ target }) => target.includes("consensus-microdesc")));
    }).pipe(Effect.scoped),
  );

  it.effect("begins anew, and says so, if what it kept cannot be used", () =>
    Effect.gen(function* () {
      const files = new MemoryFiles();
      files.put("/client/guards.json", "{");
      files.put("/client/build-times.json", '{"version":1,"bins":[[1,2]]}');
      files.put("/client/cached-microdesc-consensus", "network-status-version 3 microdesc\n");
      const network = yield* MemoryTorNetwork.make();
      const client = yield* startClient(network, { files });
      yield* whileTimePasses(Effect.orDie(client.ready));
      yield* TestClock.adjust("10 seconds");
      assert.isAbove(guardsOf(files).length, 0);
    }).pipe(Effect.scoped),
  );

  it.effect("goes on if it can write nothing", () =>
    Effect.gen(function* () {
      const files = new MemoryFiles();
      for (const name of ["guards.json", "build-times.json", "cached-certs", "cached-microdescs"])
        files.broken.add(`/client/${name}.new`);
      const network = yield* MemoryTorNetwork.make();
      yield* network.internet.serve("example.com", "93.184.216.34", 80, echo);
      const client = yield* startClient(network, { files });
      yield* whileTimePasses(Effect.orDie(client.ready));
      yield* open(client);
      yield* TestClock.adjust("10 seconds");
      assert.isUndefined(files.text("/client/guards.json"));
    }).pipe(Effect.scoped),
  );
});
