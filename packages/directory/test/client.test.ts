import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit, Scope, Stream } from "effect";
import { TestClock } from "effect/testing";
import { type DirectoryActivity, type DirectoryOutcome, NoDirectorySource } from "../src/index.ts";
import { type CacheBehaviour, clientAmong } from "./support/caches.ts";
import { pretendRelay } from "./support/documents.ts";
import { Electorate } from "./support/network.ts";

const hour = 3_600_000;
const minute = 60_000;
const start = Date.UTC(2026, 0, 1);
const relays = ["alice", "bob", "carol"].map((nickname) => pretendRelay(nickname));
const electorate = new Electorate();
electorate.agree({ validAfter: start, intervalMillis: hour, relays });
const honest: CacheBehaviour = electorate.respond;

/** Asserts that each connection that was asked for was reported on, once. */
const assertAllReported = ({ connects, reports }: { connects: number; reports: ReadonlyArray<unknown> }): void =>
  assert.strictEqual(reports.length, connects);

const short = ({ wanted, requests, failure }: DirectoryActivity): string =>
  [
    wanted === undefined ? "nothing" : `${wanted.what} ${wanted.have}/${wanted.of}`,
    ...requests.map(({ what, from, connected }) => `${what} ${connected ? "from" : "to"} ${from}`),
    ...(failure === undefined ? [] : [failure._tag]),
  ].join(", ");

describe("a client that fetches", () => {
  it.effect("asks the directories that it is given, and reports on each request once", () =>
    Effect.gen(function* () {
      const { network, caches, start: begin } = yield* clientAmong(electorate, [honest], { now: start + minute });
      const { view } = yield* begin;
      yield* TestClock.adjust("1 second");
      assert.strictEqual(view.current().consensus?.routers.length, 3);
      assert.strictEqual(view.current().missingMicrodescriptors, 0);
      assert.deepStrictEqual(
        caches.directories[0]?.requests.map(({ target }) => target.split("/").slice(0, 4).join("/")),
        ["/tor/status-vote/current", "/tor/keys/fp-sk", "/tor/micro/d"],
      );
      assert.include(caches.directories[0]?.requests[0]?.head ?? "", "Host: 198.51.100.1:9030");
      // The consensus is judged when the certificates have come.
      assert.deepStrictEqual(
        caches.reports,
        [0, 1, 2].map(() => ["cache0", { _tag: "Answered" } satisfies DirectoryOutcome] as const),
      );
      assertAllReported(caches);
      // No authority was asked, and nothing is left open.
      assert.deepStrictEqual(network.requests(), []);
      assert.strictEqual(network.memory.connections(), 0);
    }),
  );

  it.effect("fetches the next consensus when the caches have it, and well before its own ends", () =>
    Effect.gen(function* () {
      const { caches, start: begin } = yield* clientAmong(electorate, [honest], { now: start + minute });
      const { reactor, view } = yield* begin;
      yield* TestClock.adjust("1 second");
      const next = reactor.activity().nextAttempt ?? 0;
      // Fresh for an hour, valid for three: between 1:45 and 1:45 and seven eighths of 1:15.
      assert.isAtLeast(next, start + 105 * minute);
      assert.isBelow(next, start + 105 * minute + (75 * minute * 7) / 8);
      const later = new Electorate();
      later.keys.splice(0, 3, ...electorate.keys);
      later.agree({ validAfter: start + hour, intervalMillis: hour, relays: relays.slice(1) });
      caches.behaviours[0] = later.respond;
      yield* TestClock.setTime(next - 1);
      assert.strictEqual(view.current().consensus?.routers.length, 3);
      yield* TestClock.setTime(next + 1000);
      assert.strictEqual(view.current().consensus?.routers.length, 2);
    }),
  );

  it.effect("divides many microdescriptors among three requests, of no more than 500 each", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 1600 }, (_, index) => pretendRelay(`relay${index}`));
      const big = new Electorate();
      const sizesOf = (count: number) =>
        Effect.scoped(
          Effect.gen(function* () {
            big.agree({ validAfter: start, intervalMillis: hour, relays: many.slice(0, count) });
            const { caches, start: begin } = yield* clientAmong(big, [big.respond], { now: start });
            yield* begin;
            yield* TestClock.adjust("2 seconds");
            const targets = caches.directories[0]?.targets("/tor/micro/d/") ?? [];
            return targets.map((target) => target.slice(13).split("-").length).sort((a, b) => b - a);
          }),
        );
      assert.deepStrictEqual(yield* sizesOf(20), [20]);
      assert.deepStrictEqual(yield* sizesOf(90), [32, 32, 26]);
      assert.deepStrictEqual(yield* sizesOf(300), [100, 100, 100]);
      assert.deepStrictEqual(yield* sizesOf(1600), [500, 500, 500, 100]);
    }),
  );
});

describe("a client that knows nothing", () => {
  it.effect(
    "connects to another directory when one keeps it waiting, to three at once, and asks the first that is there",
    () =>
      Effect.gen(function* () {
        const behaviours: ReadonlyArray<CacheBehaviour> = ["hangs", "hangs", "hangs", honest];
        const { network, caches, start: begin } = yield* clientAmong(electorate, behaviours, { now: start });
        const { view, reactor } = yield* begin;
        yield* TestClock.adjust("1 millis");
        assert.strictEqual(caches.connects, 1);
        yield* TestClock.adjust("2 seconds");
        assert.strictEqual(caches.connects, 2);
        yield* TestClock.adjust("20 seconds");
        assert.strictEqual(caches.connects, 3);
        assert.deepStrictEqual(
          reactor.activity().requests.map(({ from, connected }) => [from, connected]),
          [0, 1, 2].map((n) => [`cache${n}`, false]),
        );
        // The first is given up after half a minute: its place is free.
        yield* TestClock.adjust("10 seconds");
        assert.strictEqual(view.current().consensus?.routers.length, 3);
        assert.deepStrictEqual(caches.summary.slice(0, 5), [
          ["cache0", "timeout"],
          ["cache2", "Abandoned"],
          ["cache1", "Abandoned"],
          ["cache3", "Answered"],
          ["cache3", "Answered"],
        ]);
        // The microdescriptors are wanted of the first, which hangs.
        assert.strictEqual(network.memory.connections(), 0);
      }),
  );

  it.effect("connects to the next one at once when one refuses", () =>
    Effect.gen(function* () {
      const behaviours: ReadonlyArray<CacheBehaviour> = ["refuses", "refuses", honest];
      const { caches, start: begin } = yield* clientAmong(electorate, behaviours, { now: start });
      const { view } = yield* begin;
      yield* TestClock.adjust("100 millis");
      assert.strictEqual(view.current().consensus?.routers.length, 3);
      assert.deepStrictEqual(caches.summary.slice(0, 2), [
        ["cache0", "transport"],
        ["cache1", "transport"],
      ]);
      assertAllReported(caches);
    }),
  );

  it.effect("may turn to those that would rather be spared after six seconds; at once in a test network", () =>
    Effect.gen(function* () {
      const urgency = Effect.fnUntraced(function* (testNetwork: boolean) {
        const { caches, start: begin } = yield* clientAmong(electorate, Array(9).fill("hangs"), {
          now: start,
          testNetwork,
        });
        yield* begin;
        yield* TestClock.adjust("2 minutes");
        return caches.wishes.map(({ urgent }) => urgent);
      });
      const urgent = yield* Effect.scoped(urgency(false));
      assert.isFalse(urgent[0]);
      assert.isTrue(urgent.at(-1));
      assert.notInclude(yield* Effect.scoped(urgency(true)), false);
    }),
  );

  it.effect("says that there is no directory, and asks again when there may be one, or when it is told to", () =>
    Effect.gen(function* () {
      const { network, caches, start: begin } = yield* clientAmong(electorate, [honest], { now: start });
      caches.none = new NoDirectorySource({ detail: "no guard answers", retryAt: start + 5 * minute });
      const { reactor, view } = yield* begin;
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(caches.wishes.length, 1);
      assert.strictEqual(reactor.activity().failure, caches.none);
      assert.strictEqual(reactor.activity().nextAttempt, start + 5 * minute);
      assert.deepStrictEqual(network.logs.find("Info", "no guard answers"), [
        "no new consensus: no directory to ask: no guard answers; next attempt in 300.0 s",
      ]);
      yield* TestClock.adjust("4 minutes");
      assert.strictEqual(caches.wishes.length, 2);
      caches.none = undefined;
      yield* reactor.retryNow;
      yield* TestClock.adjust("1 second");
      assert.strictEqual(view.current().missingMicrodescriptors, 0);
      assert.strictEqual(reactor.activity().failure, undefined);
    }),
  );

  it.effect("lets go of everything when it is stopped while it connects", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      const behaviours: ReadonlyArray<CacheBehaviour> = ["hangs", "hangs"];
      const { network, caches, start: begin } = yield* clientAmong(electorate, behaviours, { now: start });
      yield* Scope.provide(begin, scope);
      yield* TestClock.adjust("2 seconds");
      assert.strictEqual(caches.connects, 2);
      yield* Scope.close(scope, Exit.void);
      assert.deepStrictEqual(
        [...caches.summary].sort(),
        [0, 1].map((n) => [`cache${n}`, "Abandoned"] as const),
      );
      assert.strictEqual(network.memory.connections(), 0);
    }),
  );
});

describe("a consensus that has ended", () => {
  const ended = start + 3 * hour;

  /** What a client has right after its start, on whose disk is the consensus, if nobody answers. */
  const startedAt = Effect.fnUntraced(function* (now: number, reasonablyLive?: boolean) {
    const { network, caches, start: begin } = yield* clientAmong(electorate, [honest], { now: start });
    yield* Effect.scoped(Effect.andThen(begin, TestClock.adjust("1 second")));
    yield* TestClock.setTime(now);
    caches.behaviours[0] = "hangs";
    const { view } = yield* network.start({
      role: "client",
      authorities: network.authorities(electorate.identities),
      sources: caches.layer,
      ...(reasonablyLive === undefined ? {} : { reasonablyLive }),
    });
    yield* TestClock.adjust("1 millis");
    return view.current().consensus !== undefined;
  });

  for (const [name, now, reasonablyLive, isTaken] of [
    ["taken from the disk for another day", ended + 24 * hour - 1000, undefined, true],
    ["not taken from the disk after that", ended + 24 * hour, undefined, false],
    ["not taken from the disk by whoever does not want it", ended, false, false],
    ["taken from the disk before its end, in any case", ended - 1000, false, true],
  ] as const) {
    it.effect(`is ${name}`, () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* startedAt(now, reasonablyLive), isTaken);
      }),
    );
  }

  it.effect("is kept while there is no other; after a day the client hurries as if it knew nothing", () =>
    Effect.gen(function* () {
      const { caches, start: begin } = yield* clientAmong(electorate, [honest], { now: start });
      const { view } = yield* begin;
      yield* TestClock.adjust("1 second");
      caches.behaviours[0] = "hangs";
      caches.wishes.length = 0;
      yield* TestClock.setTime(ended + 23 * hour);
      assert.isAbove(caches.wishes.length, 10);
      assert.notInclude(
        caches.wishes.map(({ urgent }) => urgent),
        true,
      );
      assert.isFalse(view.current().consensus?.isUsable(ended + 23 * hour));
      yield* TestClock.setTime(ended + 25 * hour);
      assert.isTrue(caches.wishes.at(-1)?.urgent);
      assert.strictEqual(view.current().consensus?.routers.length, 3);
    }),
  );
});

describe("what a client is at", () => {
  it.effect("is told from the first connection to the last document", () =>
    Effect.gen(function* () {
      const behaviours: ReadonlyArray<CacheBehaviour> = ["refuses", honest];
      const { start: begin } = yield* clientAmong(electorate, behaviours, { now: start });
      const seen: Array<string> = [];
      const { reactor } = yield* begin;
      yield* Effect.forkScoped(
        Stream.runForEach(reactor.activities, (activity) => Effect.sync(() => seen.push(short(activity)))),
      );
      // A millisecond at a time: a line takes one, and a reader that is slow sees the newest only.
      for (let step = 0; step < 20; step++) yield* TestClock.adjust("1 millis");
      const distinct = seen.filter((text, index) => text !== seen[index - 1]);
      for (const expected of [
        "consensus 0/1, consensus to cache1, DirectoryFetchError",
        "consensus 0/1, consensus from cache1, DirectoryFetchError",
        "certificates 0/3, certificates from cache1, DirectoryFetchError",
        "microdescriptors 0/3, microdescriptors from cache1, DirectoryFetchError",
        "microdescriptors 3/3",
        "nothing",
      ])
        assert.include(distinct, expected);
      assert.strictEqual(distinct.at(-1), "nothing");
      assert.strictEqual(short(reactor.activity()), "nothing");
      assert.isAbove(reactor.activity().nextAttempt ?? 0, start + hour);
    }),
  );
});
