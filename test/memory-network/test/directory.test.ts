import {
  DirectoryReactor,
  DirectoryView,
  layerAuthoritySources,
  layerDirectory,
  layerDocumentWorkerInline,
} from "@allium/directory";
import { Supervisor, TaskPolicy } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Layer } from "effect";
import { TestClock } from "effect/testing";
import { MemoryFiles } from "../../../packages/directory/test/support/memory-files.ts";
import { Lies, MemoryTorNetwork } from "../index.ts";

/** Keeps itself informed from the authorities, as a relay that is not a part of the network. */
const watch = (network: MemoryTorNetwork.MemoryTorNetwork) =>
  Effect.gen(function* () {
    const { authorities } = network;
    const platform = Layer.mergeAll(network.transport("9.0.0.9"), network.entropy("directory"));
    const config = {
      dataDirectory: "/data",
      testNetwork: false,
      trusted: authorities.map(({ v3Identity }) => v3Identity),
      publishTo: authorities,
    };
    const context = yield* Layer.build(
      layerDirectory(config).pipe(
        Layer.provide([
          platform,
          layerAuthoritySources(authorities).pipe(Layer.provide(platform)),
          new MemoryFiles().layer,
          layerDocumentWorkerInline,
        ]),
      ),
    );
    const supervisor = yield* Supervisor.make({ name: "watcher" });
    yield* Effect.orDie(supervisor.start(Context.get(context, DirectoryReactor).fetcher, TaskPolicy.fatal));
    return Context.get(context, DirectoryView).current;
  });

describe("Allium's directory on a network in memory", () => {
  it.effect("verifies what the authorities say, and follows it for three days", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make();
      const current = yield* watch(network);
      yield* TestClock.adjust("1 minute");
      const first = current();
      assert.isTrue(first.held?.text.equals(network.consensus().text));
      assert.strictEqual(first.missingMicrodescriptors, 0);
      assert.deepStrictEqual(first.held?.signers, network.authorities.map(({ v3Identity }) => v3Identity).sort());
      for (let hour = 1; hour <= 72; hour++) {
        yield* TestClock.adjust("1 hour");
        const { consensus, missingMicrodescriptors } = current();
        assert.isTrue(consensus?.isUsable(network.consensus().consensus.lifetime.validAfter));
        assert.strictEqual(missingMicrodescriptors, 0);
      }
      assert.isAbove(network.questions.filter(({ target }) => target.includes("consensus")).length, 30);
    }).pipe(Effect.scoped),
  );

  it.effect("gets by with one honest authority", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make();
      network.answering(Lies.only({ asked: "auth0" }, Lies.flipsABit));
      network.answering(Lies.only({ asked: "auth1" }, Lies.breaksOff));
      const current = yield* watch(network);
      yield* TestClock.adjust("1 hour");
      assert.isDefined(current().consensus);
      assert.strictEqual(current().missingMicrodescriptors, 0);
      assert.isNotEmpty(network.trace.find("lies"));
    }).pipe(Effect.scoped),
  );

  const story = (seed: string) =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make({ seed });
      yield* watch(network);
      yield* TestClock.adjust("3 days");
      return network.trace.text;
    }).pipe(Effect.scoped);

  it.effect("asks the same questions at the same times for the same seed", () =>
    Effect.gen(function* () {
      const [one, same, other] = yield* Effect.forEach(["one", "one", "two"], story);
      assert.strictEqual(one, same);
      assert.notStrictEqual(one, other);
    }),
  );
});
