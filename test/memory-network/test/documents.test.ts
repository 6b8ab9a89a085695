import { ConsensusDiff, parseAuthorityCertificates, parseConsensus, VerificationError } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Clock, Effect, Fiber } from "effect";
import { TestClock } from "effect/testing";
import { AuthorityKeys } from "../../../packages/directory/test/support/authority-keys.ts";
import { bandwidthWeights } from "../bandwidth-weights.ts";
import {
  draftRelay,
  Lies,
  MemoryTorNetwork,
  makePlainClient,
  type PlainClient,
  whileTimePasses,
  writeConsensus,
} from "../index.ts";
import { fetchOver } from "./support.ts";

const CONSENSUS = "/tor/status-vote/current/consensus-microdesc";

const small = { relays: { guards: 1, middles: 1, exits: 1 } } as const;

/** What a directory answers, over a circuit of one hop. */
const fetchFrom = (client: PlainClient, relay: string, target: string, headers = "") =>
  Effect.gen(function* () {
    const circuit = yield* whileTimePasses(client.build(relay));
    const answer = yield* fetchOver(circuit, target, headers);
    circuit.stop("finished");
    return answer;
  });

/** Checks a consensus as a client does that was configured with the network's authorities. */
const verify = (network: MemoryTorNetwork.MemoryTorNetwork, client: PlainClient, text: Buffer) =>
  Effect.gen(function* () {
    const { body } = yield* fetchFrom(client, "guard0", "/tor/keys/all");
    const now = yield* Clock.currentTimeMillis;
    return parseConsensus(text).verify({
      authorities: network.authorities.map(({ v3Identity }) => v3Identity),
      certificates: parseAuthorityCertificates(body).documents,
      now,
    });
  });

describe("the consensus of a network in memory", () => {
  it.effect("is another one each hour, and every relay has it", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make(small);
      const client = yield* makePlainClient(network);
      const first = network.consensus();
      yield* TestClock.adjust("59 minutes");
      assert.strictEqual(network.consensus(), first);
      yield* TestClock.adjust("1 minute");
      const { lifetime } = network.consensus().consensus;
      assert.strictEqual(lifetime.validAfter, first.consensus.lifetime.validAfter + 3_600_000);
      assert.strictEqual(lifetime.validUntil, lifetime.validAfter + 3 * 3_600_000);
      for (const relay of ["guard0", "exit0", "auth2"]) {
        const { body } = yield* fetchFrom(client, relay, CONSENSUS);
        assert.isTrue(body.equals(network.consensus().text));
      }
    }).pipe(Effect.scoped),
  );

  it.effect("says what a test wants it to say, until it wants that no more", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make({ ...small, params: { cc_alg: 2 } });
      const takeBack = network.amend((draft) => {
        draft.params.set("cbtnummodes", 3);
        draft.requiredClientProtocols = "Link=9";
        draftRelay(draft, "guard0").flags.delete("Guard");
        draftRelay(draft, "exit0").bandwidth = 7;
        draft.relays = draft.relays.filter(({ nickname }) => nickname !== "middle0");
      });
      yield* network.publish;
      const { consensus } = network.consensus();
      assert.strictEqual(consensus.params.raw("cbtnummodes"), 3);
      assert.strictEqual(consensus.params.raw("cc_alg"), 2);
      assert.strictEqual(consensus.requiredProtocols.client.toString(), "Link=9");
      const byName = new Map(consensus.routers.map((router) => [router.nickname, router]));
      assert.isFalse(byName.get("guard0")?.flags.has("Guard"));
      assert.strictEqual(byName.get("exit0")?.bandwidth, 7);
      assert.isFalse(byName.has("middle0"));
      takeBack();
      yield* TestClock.adjust("1 hour");
      assert.isDefined(network.consensus().consensus.routers.find(({ nickname }) => nickname === "middle0"));
    }).pipe(Effect.scoped),
  );

  it.effect("can be had as a diff", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make(small);
      const client = yield* makePlainClient(network);
      const { text, signedDigest } = network.consensus();
      yield* TestClock.adjust("1 hour");
      const { body } = yield* fetchFrom(client, "exit0", CONSENSUS, `X-Or-Diff-From-Consensus: ${signedDigest}\r\n`);
      assert.isBelow(body.length, text.length);
      assert.isTrue(ConsensusDiff.parse(body).apply(text).equals(network.consensus().text));
    }).pipe(Effect.scoped),
  );

  it.effect("that strangers have signed, or too few, is served and proves nothing", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make(small);
      const client = yield* makePlainClient(network);
      const strangers = ["a", "b", "c"].map((name) => new AuthorityKeys(name));
      const forged = writeConsensus({ ...network.draft(), signers: strangers });
      const lonely = writeConsensus({ ...network.draft(), signers: network.draft().signers.slice(0, 1) });
      for (const text of [forged, lonely]) {
        const takeBack = network.pretend(text);
        const { body } = yield* fetchFrom(client, "middle0", CONSENSUS);
        assert.isTrue(body.equals(text));
        const failure = yield* Effect.flip(Effect.catchDefect(verify(network, client, body), Effect.fail));
        assert.instanceOf(failure, VerificationError);
        takeBack();
      }
      const { body } = yield* fetchFrom(client, "middle0", CONSENSUS);
      assert.strictEqual((yield* verify(network, client, body)).routers.length, network.relays.length);
    }).pipe(Effect.scoped),
  );

  it("weighs relays as the authorities do", () => {
    // What `tor`'s authorities compute for a network of relays that are all Guard and Exit.
    assert.strictEqual(
      bandwidthWeights({ guard: 0, middle: 0, exit: 0, both: 400 }),
      "Wbd=3333 Wbe=0 Wbg=0 Wbm=10000 Wdb=10000 Web=10000 Wed=3333 Wee=10000 Weg=3333 Wem=10000 " +
        "Wgb=10000 Wgd=3333 Wgg=10000 Wgm=10000 Wmb=10000 Wmd=3333 Wme=0 Wmg=0 Wmm=10000",
    );
    for (const [guard, middle, exit, both] of [
      [4000, 4000, 3000, 0],
      [1000, 9000, 1000, 0],
      [9000, 1000, 500, 500],
      [500, 1000, 9000, 4000],
      [5000, 100, 5000, 100],
    ] as const) {
      const text = bandwidthWeights({ guard, middle, exit, both });
      const weights = new Map(text.split(" ").map((pair) => pair.split("=") as [string, string]));
      const sum = (...names: ReadonlyArray<string>) => names.reduce((all, name) => all + Number(weights.get(name)), 0);
      // A relay's bandwidth is shared out between positions; fractions are cut off.
      for (const total of [sum("Wgg", "Wmg"), sum("Wee", "Wme"), sum("Wgd", "Wmd", "Wed")]) {
        assert.isTrue(total > 9_996 && total <= 10_000, `${text}: ${total}`);
      }
      assert.isTrue(
        [...weights.values()].every((weight) => Number(weight) >= 0),
        text,
      );
    }
  });
});

describe("a directory that lies", () => {
  const lies: ReadonlyArray<readonly [what: string, Parameters<typeof Lies.only>[1], RegExp]> = [
    ["has nothing", Lies.hasNothing, /^HTTP\/1.0 404 /],
    ["is busy", Lies.isBusy, /^HTTP\/1.0 503 /],
    ["babbles", Lies.babbles, /^SSH/],
    ["says something else", Lies.saysInstead("network-status-version 9\n"), /\r\n\r\nnetwork-status-version 9\n$/],
    ["sends a bomb", Lies.bomb(1_000_000), /Content-Encoding: deflate/],
  ];
  for (const [what, lie, expected] of lies) {
    it.effect(`${what}: to the questions that are meant, and no others`, () =>
      Effect.gen(function* () {
        const network = yield* MemoryTorNetwork.make(small);
        const client = yield* makePlainClient(network);
        const stop = network.answering(Lies.only({ asked: "guard0", target: "/tor/status-vote" }, lie));
        assert.match((yield* fetchFrom(client, "guard0", CONSENSUS)).text, expected);
        assert.strictEqual((yield* fetchFrom(client, "guard0", "/tor/keys/all")).status, "200");
        assert.strictEqual((yield* fetchFrom(client, "exit0", CONSENSUS)).status, "200");
        stop();
        assert.strictEqual((yield* fetchFrom(client, "guard0", CONSENSUS)).status, "200");
        assert.lengthOf(network.trace.find("lies"), 1);
      }).pipe(Effect.scoped),
    );
  }

  it.effect("changes, cuts, breaks off and stalls what it sends", () =>
    Effect.gen(function* () {
      const network = yield* MemoryTorNetwork.make(small);
      const client = yield* makePlainClient(network);
      const honest = yield* fetchFrom(client, "guard0", CONSENSUS);
      const withLie = (lie: Parameters<typeof network.answering>[0]) =>
        Effect.acquireUseRelease(
          Effect.sync(() => network.answering(lie)),
          () => fetchFrom(client, "guard0", CONSENSUS),
          (stop) => Effect.sync(stop),
        );
      const flipped = yield* withLie(Lies.flipsABit);
      assert.strictEqual(flipped.text.length, honest.text.length);
      assert.isFalse(flipped.body.equals(honest.body));
      const cut = yield* withLie(Lies.truncates);
      assert.isTrue(cut.text.length > 0 && honest.text.startsWith(cut.text));
      assert.isUndefined(cut.failure);
      const broken = yield* withLie(Lies.breaksOff);
      assert.isDefined(broken.failure);
      for (const lie of [Lies.stallsHalfway, Lies.saysNothing]) {
        const waiting = yield* Effect.forkChild(withLie(lie));
        yield* TestClock.adjust("5 minutes");
        assert.isUndefined(waiting.pollUnsafe());
        yield* Fiber.interrupt(waiting);
      }
    }).pipe(Effect.scoped),
  );
});
