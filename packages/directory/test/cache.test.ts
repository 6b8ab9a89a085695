import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeFileSystem } from "@effect/platform-node";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { writeCacheFile } from "../src/cache/files.ts";
import { pretendRelay } from "./support/documents.ts";
import { Electorate, pretendNetwork } from "./support/network.ts";

const start = Date.UTC(2026, 0, 1);
const hour = 3_600_000;
const relays = ["alice", "bob", "carol"].map((nickname) => pretendRelay(nickname));
const consensusFile = "/data/cached-microdesc-consensus";
const certificatesFile = "/data/cached-certs";
const microdescriptorsFile = "/data/cached-microdescs";

/** A disk on which a first run has left its cache, and authorities that answer or are down. */
const secondRun = Effect.fnUntraced(function* (
  options: {
    readonly at?: number;
    readonly up?: boolean;
    readonly spoil?: (path: string, text: string) => string;
  } = {},
) {
  yield* TestClock.setTime(start);
  const network = yield* pretendNetwork;
  const electorate = new Electorate();
  electorate.agree({ validAfter: start, intervalMillis: hour, relays });
  network.everywhere(electorate.respond);
  yield* Effect.scoped(
    Effect.gen(function* () {
      yield* network.listen();
      yield* network.start({ authorities: network.authorities(electorate.identities) });
      yield* TestClock.adjust("1 second");
    }),
  );
  const { spoil } = options;
  if (spoil !== undefined)
    for (const [path, { bytes }] of network.files.files) network.files.put(path, spoil(path, bytes.toString("latin1")));
  const before = network.requests().length;
  yield* TestClock.setTime(options.at ?? start + 60_000);
  if (options.up === true) yield* network.listen();
  const { view } = yield* network.start({ authorities: network.authorities(electorate.identities) });
  yield* TestClock.adjust("1 second");
  return {
    network,
    electorate,
    view,
    asked: () =>
      network
        .requests()
        .slice(before)
        .map(({ target }) => target),
  };
});

describe("the cache on disk", () => {
  it.effect("is all that a restart needs, for its owner's eyes only", () =>
    Effect.gen(function* () {
      const { network, view, asked } = yield* secondRun();
      assert.deepStrictEqual([...network.files.files.keys()].sort(), [
        certificatesFile,
        consensusFile,
        microdescriptorsFile,
      ]);
      for (const { mode } of network.files.files.values()) assert.strictEqual(mode, 0o600);
      assert.strictEqual(view.current().consensus?.routers.length, 3);
      assert.strictEqual(view.current().missingMicrodescriptors, 0);
      assert.strictEqual(view.current().certificates.length, 3);
      assert.deepStrictEqual(asked(), []);
    }),
  );

  it.effect("tells in tor's way when a microdescriptor was last listed", () =>
    Effect.gen(function* () {
      const { network } = yield* secondRun();
      const text = network.files.text(microdescriptorsFile) ?? "";
      assert.isTrue(text.startsWith("@last-listed 2026-01-01 00:00:00\nonion-key\n"));
      assert.strictEqual(text.split("@last-listed").length, 4);
    }),
  );

  it.effect("keeps what is listed no more for a week", () =>
    Effect.gen(function* () {
      const { network, electorate, view } = yield* secondRun({ up: true });
      electorate.agree({ validAfter: start + hour, intervalMillis: 24 * hour, relays: relays.slice(1) });
      yield* TestClock.adjust("2 hours");
      assert.strictEqual(view.current().consensus?.routers.length, 2);
      assert.strictEqual(view.current().microdescriptors.size, 3);
      const day = 24 * hour;
      for (const days of [3, 6, 9]) {
        electorate.agree({ validAfter: start + days * day, intervalMillis: day, relays: relays.slice(1) });
        yield* TestClock.setTime(start + days * day + 4 * hour);
      }
      yield* TestClock.adjust("14 hours");
      assert.strictEqual(view.current().microdescriptors.size, 2);
      assert.strictEqual(network.files.text(microdescriptorsFile)?.split("@last-listed").length, 3);
    }),
  );

  it.effect("serves a consensus that ended within a day, and fetches another at once", () =>
    Effect.gen(function* () {
      const { view } = yield* secondRun({ at: start + 20 * hour });
      assert.strictEqual(view.current().consensus?.lifetime.validAfter, start);
      const { view: other, electorate, asked } = yield* secondRun({ at: start + 20 * hour, up: true });
      assert.isAbove(asked().length, 0);
      electorate.agree({ validAfter: start + 20 * hour, intervalMillis: hour, relays });
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(other.current().consensus?.lifetime.validAfter, start + 20 * hour);
    }),
  );

  it.effect("is not believed when it is older than that", () =>
    Effect.gen(function* () {
      const { network, view } = yield* secondRun({ at: start + 28 * hour });
      assert.strictEqual(view.current().consensus, undefined);
      assert.strictEqual(network.logs.find("Info", `${consensusFile}: consensus expired at`).length, 1);
      assert.deepStrictEqual(network.logs.find("Warn", "/data/"), []);
    }),
  );

  const spoilt: ReadonlyArray<readonly [name: string, path: string, change: (text: string) => string, told: string]> = [
    [
      "a consensus that was tampered with",
      consensusFile,
      (text) => text.replace("Bandwidth=100", "Bandwidth=900"),
      "too-few-signatures) (corrupted)",
    ],
    ["a consensus that is cut off", consensusFile, (text) => text.slice(0, 700), "(corrupted)"],
    ["an empty consensus", consensusFile, () => "", "(corrupted)"],
    ["a consensus of enormous size", consensusFile, () => "a".repeat(17_000_000), "(too-large)"],
    ["certificates that are garbage", certificatesFile, () => "\u0000\u0001garbage", "1 documents refused"],
    ["microdescriptors that are garbage", microdescriptorsFile, (text) => `garbage\n${text}`, "1 documents refused"],
  ];
  for (const [name, path, change, told] of spoilt) {
    it.effect(`${name}: it is told, fetched anew and replaced`, () =>
      Effect.gen(function* () {
        const { network, view } = yield* secondRun({
          up: true,
          spoil: (spoiltPath, text) => (spoiltPath === path ? change(text) : text),
        });
        yield* TestClock.adjust("3 hours");
        const warnings = network.logs.find("Warn", `${path}: `);
        assert.strictEqual(warnings.length, 1, warnings.join("\n"));
        assert.include(warnings[0] ?? "", told);
        assert.strictEqual(view.current().consensus?.routers.length, 3);
        assert.strictEqual(view.current().missingMicrodescriptors, 0);
      }),
    );
  }

  it.effect("a disk that cannot be written is told, and the relay goes on without it", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start);
      const network = yield* pretendNetwork;
      network.files.broken.add(`${consensusFile}.new`);
      const electorate = new Electorate();
      electorate.agree({ validAfter: start, intervalMillis: hour, relays });
      network.everywhere(electorate.respond);
      yield* network.listen();
      const { view } = yield* network.start({ authorities: network.authorities(electorate.identities) });
      yield* TestClock.adjust("1 second");
      assert.strictEqual(view.current().missingMicrodescriptors, 0);
      assert.isAbove(network.logs.find("Warn", `${consensusFile}: PermissionDenied`).length, 0);
      assert.strictEqual(network.files.text(consensusFile), undefined);
      network.files.broken.clear();
      electorate.agree({ validAfter: start + hour, intervalMillis: hour, relays });
      yield* TestClock.adjust("2 hours");
      assert.strictEqual(network.files.text(consensusFile), electorate.consensus?.toString("latin1"));
    }),
  );
});

describe("writeCacheFile", () => {
  it.live("replaces a file as a whole, with its permissions, and leaves nothing beside it", () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "allium-cache-"));
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true })));
      const path = join(directory, "cached-certs");
      writeFileSync(path, "old", { mode: 0o644 });
      writeFileSync(`${path}.new`, "left over", { mode: 0o666 });
      yield* writeCacheFile(path, [Buffer.from("n"), Buffer.from("ew")]);
      assert.strictEqual(readFileSync(path, "latin1"), "new");
      assert.strictEqual(statSync(path).mode & 0o777, 0o600);
      assert.deepStrictEqual(readdirSync(directory), ["cached-certs"]);
      const missing = yield* Effect.flip(writeCacheFile(join(directory, "no", "such"), [Buffer.from("new")]));
      assert.strictEqual(missing._tag, "CacheFileError");
      assert.strictEqual(missing.problem, "unwritable");
    }).pipe(Effect.provide(NodeFileSystem.layer)),
  );
});
