import { parseAuthorityCertificates, parseConsensus, parseMicrodescriptors } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect } from "effect";
import { echo, inVirtualTime, MemoryTorNetwork, makePlainClient, whileTimePasses } from "../index.ts";
import { assertEchoes, fetchOver } from "./support.ts";

/** A client uses a network; what happens depends on chance alone. */
const story = (seed: string) =>
  Effect.gen(function* () {
    const network = yield* MemoryTorNetwork.make({ seed, relays: { guards: 2, middles: 2, exits: 1 } });
    yield* network.internet.serve("example.com", "93.184.216.34", 80, echo);
    const client = yield* makePlainClient(network);
    const circuit = yield* whileTimePasses(client.build("guard0", "middle0", "exit0"));
    yield* assertEchoes(circuit, "example.com");
    circuit.stop("finished");
    yield* whileTimePasses(circuit.ended);
    return network;
  }).pipe(Effect.scoped);

describe("a network in memory", () => {
  it.effect("carries a stream through three relays, and its exit alone hears of the name", () =>
    Effect.gen(function* () {
      const { trace, internet, relay } = yield* story("one");
      assert.deepStrictEqual(
        relay("exit0").streams.map(({ kind, target, circuit, from }) => ({ kind, target, circuit, from })),
        [{ kind: "BEGIN", target: "example.com:80", circuit: 1, from: relay("middle0").address }],
      );
      assert.deepStrictEqual(relay("middle0").streams, []);
      assert.deepStrictEqual(internet.names.questions, ["A example.com"]);
      assert.deepStrictEqual(trace.find("example.com: ").length, 1);
    }),
  );

  it.effect("is the same to the byte for the same seed", () =>
    Effect.gen(function* () {
      const one = yield* story("same");
      const other = yield* story("same");
      assert.strictEqual(one.trace.text, other.trace.text);
      assert.isTrue(one.consensus().text.equals(other.consensus().text));
    }),
  );

  it.effect("is the same under either clock", () =>
    Effect.gen(function* () {
      const one = yield* story("same");
      const other = yield* inVirtualTime(story("same"));
      assert.strictEqual(one.trace.text, other.trace.text);
    }),
  );

  it.effect("is another one for another seed", () =>
    Effect.gen(function* () {
      const one = yield* story("one");
      const other = yield* story("two");
      assert.notStrictEqual(one.trace.text, other.trace.text);
      assert.notStrictEqual(one.relay("exit0").fingerprint, other.relay("exit0").fingerprint);
    }),
  );
});

describe("the directories of a network in memory", () => {
  it.effect("give whoever does not know their keys all that it takes to know the network", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make();
      const client = yield* makePlainClient(network);
      const authority = network.relay("auth1");
      const circuit = yield* whileTimePasses(client.circuits.create({ ...authority.hop, onionKey: undefined }));
      const { body: text } = yield* fetchOver(circuit, "/tor/status-vote/current/consensus-microdesc");
      const { body: keys } = yield* fetchOver(circuit, "/tor/keys/all");
      const consensus = parseConsensus(text).verify({
        authorities: network.authorities.map(({ v3Identity }) => v3Identity),
        certificates: parseAuthorityCertificates(keys).documents,
        now: yield* Clock.currentTimeMillis,
      });
      assert.strictEqual(consensus.routers.length, network.relays.length);
      const digests = consensus.routers.map(({ descriptorDigest }) => descriptorDigest);
      const { body } = yield* fetchOver(circuit, `/tor/micro/d/${digests.join("-")}`);
      assert.sameMembers(
        parseMicrodescriptors(body).documents.map(({ digest }) => digest),
        digests,
      );
      assert.deepStrictEqual(
        network.questions.map(({ asked, from, port }) => ({ asked, from, port })),
        network.questions.map(() => ({ asked: "auth1", from: "9.0.0.1", port: "OR" })),
      );
    }).pipe(Effect.scoped),
  );
});
