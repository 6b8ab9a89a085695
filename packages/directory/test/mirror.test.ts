import { inflateSync, zstdDecompressSync } from "node:zlib";
import { ConsensusDiff, consensusSignedDigest, parseConsensus, parseSignedExtraInfos } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Deferred, Effect, Fiber, Layer } from "effect";
import { encode } from "../src/http/encoding.ts";
import { DocumentWorker, layerDocumentWorker, layerDocumentWorkerInline, ServedConsensus } from "../src/index.ts";
import { ConsensusArchive } from "../src/mirror/archive.ts";
import { DescriptorStore } from "../src/mirror/descriptor-store.ts";
import { DESCRIPTOR_LIFETIME_MILLIS, MAX_ARCHIVED } from "../src/mirror/limits.ts";
import { MirrorFiles } from "../src/mirror/mirror-files.ts";
import { Bodies } from "../src/server/bodies.ts";
import { MAX_PACKED_BYTES } from "../src/server/limits.ts";
import type { Answer } from "../src/server/model.ts";
import { MAX_WAITING_JOBS } from "../src/worker/limits.ts";
import { torValidAfter } from "./support/documents.ts";
import { MemoryFiles } from "./support/memory-files.ts";
import {
  certificates,
  consensusText,
  extraInfos,
  fullStore,
  get,
  identities,
  nsText,
  routers,
  serverOf,
} from "./support/served.ts";

const ok = "HTTP/1.0 200 OK";
const unavailable = "HTTP/1.0 404 Servers unavailable";
const all = Buffer.concat(routers.map(({ bytes }) => bytes));
const listed = parseConsensus(nsText).assumeVerified().routers;
const hour = 3_600_000;

/** Documents regardless of their order. */
const sorted = (text: Buffer): ReadonlyArray<string> =>
  text
    .toString("latin1")
    .split(/^(?=router |extra-info )/m)
    .sort();

describe("descriptors of others", () => {
  it.effect("are handed out by digest, by relay, or all together", () =>
    Effect.gen(function* () {
      const server = yield* serverOf();
      const [first, second] = [routers[0]!, routers[1]!];
      for (const name of [`d/${first.digest}+${second.digest}`, `fp/${first.fingerprint}+${second.fingerprint}`]) {
        const answer = yield* get(server, `/tor/server/${name}`);
        assert.strictEqual(answer.status, ok, name);
        assert.deepStrictEqual(sorted(answer.body), sorted(Buffer.concat([first.bytes, second.bytes])));
      }
      assert.deepStrictEqual(sorted((yield* get(server, "/tor/server/all")).body), sorted(all));
      // Names in small letters are as good; what is not here is left out.
      const some = yield* get(server, `/tor/server/d/${"0".repeat(40)}+${first.digest.toLowerCase()}.z`);
      assert.deepStrictEqual(inflateSync(some.body).equals(first.bytes), true);
      assert.strictEqual((yield* get(server, `/tor/server/d/${"0".repeat(40)}`)).status, unavailable);
    }),
  );

  it.effect("extra-info documents too", () =>
    Effect.gen(function* () {
      const server = yield* serverOf();
      const one = extraInfos[0]!;
      for (const name of [`d/${one.digest}`, `fp/${one.fingerprint}`]) {
        const answer = yield* get(server, `/tor/extra/${name}`, "Accept-Encoding: x-zstd\r\n");
        assert.strictEqual(answer.status, ok, name);
        assert.strictEqual(zstdDecompressSync(answer.body).equals(one.bytes), true);
      }
      const everybody = yield* get(server, "/tor/extra/all");
      assert.deepStrictEqual(sorted(everybody.body), sorted(Buffer.concat(extraInfos.map(({ bytes }) => bytes))));
    }),
  );

  it.effect("that are a day old are handed out by digest alone", () =>
    Effect.gen(function* () {
      const server = yield* serverOf({ now: torValidAfter + 25 * hour });
      const { digest, fingerprint } = routers[0]!;
      assert.strictEqual((yield* get(server, `/tor/server/d/${digest}`)).status, ok);
      assert.strictEqual((yield* get(server, `/tor/server/fp/${fingerprint}`)).status, unavailable);
      assert.strictEqual((yield* get(server, "/tor/server/all")).status, unavailable);
    }),
  );

  it("are bounded in bytes: what no consensus lists makes room, else nothing more is taken", () => {
    const maxBytes = all.length - 1;
    const store = new DescriptorStore({ extraInfo: false, maxBytes });
    store.list(listed, torValidAfter, torValidAfter);
    const missing = store.missingRouters().length;
    assert.strictEqual(store.acceptRouters(routers, new Set(store.missingRouters()), torValidAfter), missing - 1);
    assert.isAtMost(store.bytes, maxBytes);
    assert.isTrue(store.full);
    // There is no use in fetching the rest before the next consensus.
    assert.deepStrictEqual(store.missingRouters(), []);
    const kept = routers.at(-1)!;
    const last = listed.filter(({ descriptorDigest }) => descriptorDigest === kept.digest);
    store.list(last, torValidAfter + hour, torValidAfter + hour);
    assert.deepStrictEqual(store.missingRouters(), [kept.digest]);
    assert.strictEqual(store.acceptRouters([kept], new Set([kept.digest]), torValidAfter + hour), 1);
    assert.isFalse(store.full);
    assert.isAtMost(store.bytes, maxBytes);
  });

  it("are forgotten a day after the last consensus that listed them, with their extra-info documents", () => {
    const store = fullStore();
    const last = listed.slice(0, 1);
    const later = torValidAfter + DESCRIPTOR_LIFETIME_MILLIS;
    store.list(last, later, later);
    assert.strictEqual([...store.routers()].length, routers.length);
    store.list(last, later + 1, later + 1);
    assert.deepStrictEqual(
      [...store.routers()].map(({ digest }) => digest),
      last.map(({ descriptorDigest }) => descriptorDigest),
    );
    const left = routers.find(({ digest }) => digest === last[0]!.descriptorDigest)!;
    assert.deepStrictEqual(
      store.extraInfos().map(({ digest }) => digest),
      [left.extraInfo],
    );
    const held = [left, extraInfos.find(({ digest }) => digest === left.extraInfo)!];
    assert.strictEqual(
      store.bytes,
      held.reduce((sum, { bytes }) => sum + bytes.length, 0),
    );
  });

  it("that nobody asked for, and extra-info documents that are not what they should be, are not taken", () => {
    const store = new DescriptorStore({ extraInfo: true });
    store.list(listed, torValidAfter, torValidAfter);
    assert.strictEqual(store.acceptRouters(routers, new Set(), torValidAfter), 0);
    store.acceptRouters(routers, new Set(store.missingRouters()), torValidAfter);
    const wanted = new Set(store.missingExtraInfos());
    const text = Buffer.from(extraInfos[0]!.bytes);
    text.write("9", text.indexOf("published 2026") + "published 20".length);
    const [forged] = parseSignedExtraInfos(text).documents;
    assert.isDefined(forged);
    assert.deepStrictEqual(store.acceptExtraInfos([forged!], wanted), { count: 0, refused: [] });
    // The right name, on something else.
    const renamed = { ...forged!, digest: extraInfos[0]!.digest };
    assert.strictEqual(store.acceptExtraInfos([renamed], wanted).count, 0);
    assert.strictEqual(store.acceptExtraInfos(extraInfos, wanted).count, extraInfos.length);
  });
});

describe("what a cache has on disk", () => {
  it.effect("is there again after a restart, checked as if it had just come", () => {
    const files = new MemoryFiles();
    return Effect.gen(function* () {
      const mirror = new MirrorFiles("/data");
      const before = fullStore();
      yield* mirror.saveConsensus(nsText);
      yield* mirror.saveRouters(before);
      yield* mirror.saveExtraInfos(before);
      for (const { mode } of files.files.values()) assert.strictEqual(mode, 0o600);
      const after = new DescriptorStore({ extraInfo: true });
      yield* mirror.loadDescriptors(after, torValidAfter + hour);
      const digests = (store: DescriptorStore) => [...store.routers()].map(({ digest }) => digest).sort();
      assert.deepStrictEqual(digests(after), digests(before));
      assert.strictEqual(after.extraInfos().length, extraInfos.length);
      assert.strictEqual(after.bytes, before.bytes);
      // A day later nobody needs them any more.
      const late = new DescriptorStore({ extraInfo: true });
      yield* mirror.loadDescriptors(late, torValidAfter + DESCRIPTOR_LIFETIME_MILLIS + 1);
      assert.strictEqual(late.bytes, 0);
      const trust = { authorities: identities, certificates, now: torValidAfter };
      const loaded = yield* mirror.loadConsensus(trust);
      assert.strictEqual(loaded?.signedDigest, consensusSignedDigest(nsText));
      assert.isUndefined(yield* mirror.loadConsensus({ ...trust, now: torValidAfter + 25 * hour }));
    }).pipe(Effect.provide(files.layer), Effect.provide(layerDocumentWorkerInline));
  });

  it.effect("is not believed if it was spoilt, or is somebody else's", () => {
    const files = new MemoryFiles();
    return Effect.gen(function* () {
      const mirror = new MirrorFiles("/data");
      const trust = { authorities: identities, certificates, now: torValidAfter };
      const text = nsText.toString("latin1");
      for (const spoilt of ["", "no consensus", text.replace("known-flags ", "known-flags A "), consensusText]) {
        files.put("/data/cached-consensus", spoilt);
        assert.isUndefined(yield* mirror.loadConsensus(trust));
      }
      const store = new DescriptorStore({ extraInfo: true });
      files.put("/data/cached-descriptors", all.toString("latin1").replace("reject *:*", "reject *:1"));
      files.put("/data/cached-extrainfo", "extra-info nobody\n");
      yield* mirror.loadDescriptors(store, torValidAfter);
      for (const { bytes } of store.routers()) assert.isTrue(all.includes(bytes));
      assert.strictEqual(store.extraInfos().length, 0);
    }).pipe(Effect.provide(files.layer), Effect.provide(layerDocumentWorkerInline));
  });
});

/** A consensus like the newest, a little different. */
const earlier = (number: number): Buffer =>
  Buffer.from(consensusText.toString("latin1").replace(/^known-flags /m, `known-flags A${number} `), "latin1");

const target = "/tor/status-vote/current/consensus-microdesc";

describe("diffs to the consensus", () => {
  it.effect("are made from those that are known, the one that the client names first before the others", () =>
    Effect.gen(function* () {
      const [one, two] = [earlier(1), earlier(2)];
      const server = yield* serverOf({ earlier: [one, two].map((text) => ({ flavor: "microdesc" as const, text })) });
      const [nobody, first, second] = ["0".repeat(64), consensusSignedDigest(one), consensusSignedDigest(two)];
      const named = yield* get(server, target, `X-Or-Diff-From-Consensus: ${nobody}, ${second}, ${first}\r\n`);
      assert.strictEqual(named.status, ok);
      assert.strictEqual(ConsensusDiff.parse(named.body).apply(two).equals(consensusText), true);
      const packed = yield* get(server, `${target}/diff/${first}.z`);
      assert.strictEqual(ConsensusDiff.parse(inflateSync(packed.body)).apply(one).equals(consensusText), true);
      assert.strictEqual(
        (yield* get(server, `${target}/diff/${nobody}`)).status,
        "HTTP/1.0 404 No such diff available",
      );
      const whole = yield* get(server, target, `X-Or-Diff-From-Consensus: ${nobody}\r\n`);
      assert.strictEqual(whole.body.equals(consensusText), true);
      assert.deepInclude(server.counts(), { diffs: 2 });
    }),
  );

  it.effect("are bounded in bytes: whoever asks for more gets the whole", () =>
    Effect.gen(function* () {
      const texts = [earlier(1), earlier(2)];
      const server = yield* serverOf({
        earlier: texts.map((text) => ({ flavor: "microdesc" as const, text })),
        maxPreparedBytes: 0,
      });
      const ask = (text: Buffer) => get(server, target, `X-Or-Diff-From-Consensus: ${consensusSignedDigest(text)}\r\n`);
      const [first, second] = [yield* ask(texts[0]!), yield* ask(texts[1]!)];
      assert.include(first.body.toString("latin1", 0, 40), "network-status-diff-version 1");
      assert.strictEqual(second.body.equals(consensusText), true);
      assert.deepInclude(server.counts(), { diffs: 1 });
    }),
  );

  it.effect("are made once for all who ask at the same time; one that comes to nothing may be tried again", () =>
    Effect.gen(function* () {
      const files = new MemoryFiles();
      const base = earlier(1);
      const digest = consensusSignedDigest(base);
      const archive = new ConsensusArchive("/data/earlier");
      yield* archive.add("microdesc", torValidAfter, digest, base).pipe(Effect.provide(files.layer));
      const gate = Deferred.makeUnsafe<void>();
      let made = 0;
      const inline = yield* Layer.build(layerDocumentWorkerInline);
      const worker = Layer.effect(
        DocumentWorker,
        Effect.gen(function* () {
          const real = yield* DocumentWorker;
          return DocumentWorker.of({
            ...real,
            makeDiff: (...documents) =>
              Effect.suspend(() => {
                made++;
                return Effect.andThen(Deferred.await(gate), real.makeDiff(...documents));
              }),
          });
        }),
      ).pipe(Layer.provide(Layer.succeedContext(inline)));
      const { lifetime } = parseConsensus(consensusText);
      const served = new ServedConsensus(
        { flavor: "microdesc", text: consensusText, lifetime, signers: [], signedDigest: undefined },
        { archive, fork: (effect) => Effect.asVoid(Effect.forkDetach(Effect.provide(effect, [worker, files.layer]))) },
      );
      const asking = yield* Effect.forkChild(
        Effect.all([served.diff(digest, "identity"), served.diff(digest, "identity")], { concurrency: "unbounded" }),
      );
      while (made === 0) yield* Effect.yieldNow;
      Deferred.doneUnsafe(gate, Effect.void);
      const [one, other] = yield* Fiber.join(asking);
      assert.isDefined(one);
      assert.strictEqual(one, other);
      assert.strictEqual(made, 1);
      assert.strictEqual(served.preparedBytes, one!.length);
      assert.isUndefined(yield* served.diff("0".repeat(64), "identity"));
    }).pipe(Effect.scoped),
  );

  it.effect("cannot be had of a file that is spoilt: it is removed, and the client gets the whole", () =>
    Effect.gen(function* () {
      const base = earlier(1);
      const digest = consensusSignedDigest(base);
      const other = yield* Effect.promise(() => encode("x-zstd", earlier(3), "quick"));
      // The second is another consensus than its name says.
      for (const content of ["no archive", other]) {
        const files = new MemoryFiles();
        const server = yield* serverOf({ files, earlier: [{ flavor: "microdesc", text: base }] });
        const [path = ""] = files.files.keys();
        files.put(path, content);
        const answer = yield* get(server, target, `X-Or-Diff-From-Consensus: ${digest}\r\n`);
        assert.strictEqual(answer.body.equals(consensusText), true);
        assert.strictEqual(files.files.size, 0);
        const again = yield* get(server, `${target}/diff/${digest}`);
        assert.strictEqual(again.status, "HTTP/1.0 404 No such diff available");
      }
    }),
  );

  it.effect("are made from so many earlier consensuses of a flavour, and none that are too old", () => {
    const files = new MemoryFiles();
    return Effect.gen(function* () {
      const archive = new ConsensusArchive("/data/earlier");
      const digestOf = (number: number): string => number.toString(16).toUpperCase().padStart(64, "0");
      for (let number = 0; number < MAX_ARCHIVED + 3; number++) {
        yield* archive.add("ns", torValidAfter + number * hour, digestOf(number), Buffer.from("a consensus"));
      }
      yield* archive.add("microdesc", torValidAfter, digestOf(0), Buffer.from("a consensus"));
      yield* archive.prune(torValidAfter);
      assert.strictEqual(archive.size, MAX_ARCHIVED + 1);
      assert.strictEqual(files.files.size, MAX_ARCHIVED + 1);
      assert.deepStrictEqual(
        [0, 2, 3].map((number) => archive.has("ns", digestOf(number))),
        [false, false, true],
      );
      yield* archive.prune(torValidAfter + (MAX_ARCHIVED + 2) * hour);
      assert.strictEqual(archive.size, 1);
    }).pipe(Effect.provide(files.layer));
  });
});

describe("answers that are packed", () => {
  const documents = (...lengths: ReadonlyArray<number>): Answer => ({
    _tag: "Documents",
    parts: lengths.map((length) => Buffer.alloc(length, "x")),
    encoding: "deflate",
    lifetime: 0,
  });

  it.effect("are bounded while they are on their way: 503 for one more", () =>
    Effect.gen(function* () {
      const bodies = new Bodies(100_000);
      const first = yield* bodies.prepare(documents(60_000));
      assert.strictEqual(inflateSync(first.body[0]!).length, 60_000);
      const held = bodies.bytes;
      assert.strictEqual(held, first.body[0]!.length);
      // What it may come to counts until it is packed.
      const refused = yield* bodies.prepare(documents(60_000, 60_000));
      assert.strictEqual(refused.status, 503);
      assert.strictEqual(bodies.bytes, held);
      first.release();
      first.release();
      assert.strictEqual(bodies.bytes, 0);
    }),
  );

  it.effect("go out as they are if they are too large to be packed for one", () =>
    Effect.gen(function* () {
      const answer = yield* new Bodies().prepare(documents(MAX_PACKED_BYTES, 1));
      assert.strictEqual(answer.encoding, "identity");
      assert.deepStrictEqual(
        answer.body.map(({ length }) => length),
        [MAX_PACKED_BYTES, 1],
      );
    }),
  );
});

describe("the document thread", () => {
  it.live("does one job after the other, so many may wait, and one that is not what it should be is told", () =>
    Effect.gen(function* () {
      const worker = yield* DocumentWorker;
      const jobs = yield* Effect.forEach(Array.from({ length: MAX_WAITING_JOBS }), () =>
        Effect.forkChild(worker.signedDigest(consensusText), { startImmediately: true }),
      );
      const busy = yield* Effect.flip(worker.signedDigest(consensusText));
      assert.deepInclude(busy, { _tag: "DocumentWorkerError", problem: "busy" });
      const digests = yield* Effect.forEach(jobs, Fiber.join);
      assert.deepStrictEqual(new Set(digests), new Set([consensusSignedDigest(consensusText)]));
      const diff = yield* worker.makeDiff(consensusSignedDigest(earlier(1)), earlier(1), consensusText);
      assert.strictEqual((yield* worker.applyDiff(earlier(1), diff)).equals(consensusText), true);
      const refused = yield* Effect.flip(worker.applyDiff(earlier(2), diff));
      assert.strictEqual(refused._tag, "ConsensusDiffError");
    }).pipe(Effect.scoped, Effect.provide(layerDocumentWorker)),
  );
});
