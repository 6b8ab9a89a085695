import { deflateSync } from "node:zlib";
import { consensusSignedDigest, makeConsensusDiff, type ValidityError } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import type { DirectoryFetchProblem, DirectoryOutcome } from "../src/index.ts";
import { type CacheBehaviour, clientAmong } from "./support/caches.ts";
import { pretendRelay, torDocument } from "./support/documents.ts";
import { eventually } from "./support/eventually.ts";
import { Electorate } from "./support/network.ts";
import { answer, type Behaviour, notFound, type SeenRequest } from "./support/pretended-directory.ts";

const hour = 3_600_000;
const start = Date.UTC(2026, 0, 1);
const relays = ["alice", "bob", "carol"].map((nickname) => pretendRelay(nickname));
const electorate = new Electorate();
electorate.agree({ validAfter: start, intervalMillis: hour, relays });
const honest = electorate.respond;
const text = electorate.consensus as Buffer;
const microdescriptors = [...electorate.microdescriptors.values()];

/** The same authorities with another consensus. */
const other = (change: Partial<Parameters<Electorate["agree"]>[0]>): Electorate => {
  const one = new Electorate();
  one.keys.splice(0, 3, ...electorate.keys);
  one.agree({ validAfter: start, intervalMillis: hour, relays, ...change });
  return one;
};

const insteadOf =
  (prefix: string, behaviour: Behaviour | ((request: SeenRequest) => Behaviour)) =>
  (request: SeenRequest): Behaviour => {
    if (!request.target.startsWith(prefix)) return honest(request);
    return typeof behaviour === "function" ? behaviour(request) : behaviour;
  };
const consensusInstead = (behaviour: Behaviour) => insteadOf("/tor/status-vote/", behaviour);
const microInstead = (behaviour: Behaviour | ((request: SeenRequest) => Behaviour)) =>
  insteadOf("/tor/micro/", behaviour);

/** A client whose first cache lies, and whose second one is honest, half a second later. */
const betweenTwo = (lying: CacheBehaviour, now = start) =>
  Effect.gen(function* () {
    const { network, caches, start: begin } = yield* clientAmong(electorate, [lying, honest], { now });
    const { reactor, view } = yield* begin;
    yield* TestClock.adjust("500 millis");
    return { network, caches, reactor, view };
  });

describe("a consensus of a cache that lies, or is broken", () => {
  const few = other({ signers: electorate.keys.slice(0, 1) });
  const forged = new Electorate();
  forged.agree({ validAfter: start, intervalMillis: hour, relays: relays.slice(1) });
  /** Signed by others in the name of the authorities. */
  const inTheName = forged.keys.reduce(
    (document, { identity, signingKeyDigest }, index) =>
      document
        .replace(identity, electorate.keys[index]?.identity ?? "")
        .replace(signingKeyDigest, electorate.keys[index]?.signingKeyDigest ?? ""),
    (forged.consensus as Buffer).toString("latin1"),
  );

  const cases: ReadonlyArray<
    readonly [
      name: string,
      behaviour: Behaviour,
      outcome: DirectoryFetchProblem | DirectoryOutcome["_tag"],
      told: string,
    ]
  > = [
    ["is cut short", { bytes: answer(text).bytes.subarray(0, 3000), after: "end" }, "malformed", "ended after"],
    [
      "is cut short, and has no length",
      { bytes: Buffer.concat([Buffer.from("HTTP/1.0 200 OK\r\n\r\n"), text.subarray(0, 3000)]), after: "end" },
      "document",
      "",
    ],
    ["breaks off", { bytes: answer(text).bytes.subarray(0, 3000), after: "reset" }, "malformed", ""],
    ["is signed by too few", answer(few.consensus), "verification", "signed by 1 of 3 trusted authorities"],
    ["bears forged signatures", answer(inTheName), "verification", "signed by 0 of 3 trusted authorities"],
    [
      "is signed by strangers",
      answer(forged.consensus),
      "verification",
      "signed by 0 of 3 trusted authorities, 0 certificates missing",
    ],
    [
      "was changed",
      answer(text.toString("latin1").replace("Bandwidth=100", "Bandwidth=999")),
      "verification",
      "signed by 0 of 3 trusted authorities",
    ],
    [
      "has ended",
      answer(other({ validAfter: start - 4 * hour }).consensus),
      "verification",
      "consensus expired at 2025-12-31T23:00:00.000Z, and it is 2026-01-01T00:00:00",
    ],
    [
      "is of the future",
      answer(other({ validAfter: start + hour }).consensus),
      "verification",
      "consensus is not valid before 2026-01-01T01:00:00.000Z",
    ],
    ["is of the other flavour", answer(torDocument("consensus-ns")), "verification", "another flavour"],
    ["is no consensus", answer("hello\n"), "document", "missing-item"],
    ["is not there", notFound, "NotThere", "404 Not found"],
    ["is refused", answer("", { status: "503 Directory busy" }), "status", "503 Directory busy"],
    [
      "is said to be elsewhere, where nobody goes",
      answer("", { status: "302 Found", headers: "Location: http://192.0.2.99/\r\n" }),
      "status",
      "302 Found",
    ],
    [
      "announces far too much",
      { bytes: Buffer.from("HTTP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n"), after: "end" },
      "too-large",
      "announces 99999999 bytes",
    ],
    [
      "does not unpack",
      answer("nonsense", { headers: "Content-Encoding: x-zstd\r\n" }),
      "encoding",
      "cannot be unpacked as x-zstd",
    ],
  ];
  for (const [name, behaviour, outcome, told] of cases) {
    it.effect(`${name}: another cache is asked at once, and it is told who it was`, () =>
      Effect.gen(function* () {
        const { network, caches, view } = yield* betweenTwo(consensusInstead(behaviour));
        assert.strictEqual(view.current().held?.text.equals(text), true);
        const blamed = caches.summary.filter(([, outcome]) => outcome !== "Answered");
        assert.deepStrictEqual(blamed, [["cache0", outcome]]);
        assert.include(caches.summary.map(([name, outcome]) => `${name} ${outcome}`).join(), "cache1 Answered");
        const level = outcome === "NotThere" ? "Info" : "Warn";
        const lines = network.logs.find(
          level,
          "no new consensus from cache0: http://198.51.100.1:9030/tor/status-vote/",
        );
        assert.strictEqual(lines.length, 1, JSON.stringify(network.logs.lines));
        assert.include(lines[0] ?? "", told);
        assert.strictEqual(network.memory.connections(), 0);
      }),
    );
  }

  it.effect("unpacks to far too much: another cache is asked, and nobody is held up", () =>
    Effect.gen(function* () {
      const bomb = answer(deflateSync(Buffer.alloc(17_000_000)), { headers: "Content-Encoding: deflate\r\n" });
      const { caches, view } = yield* betweenTwo(consensusInstead(bomb));
      yield* eventually(() => view.current().consensus !== undefined, "1 millis");
      assert.deepStrictEqual(caches.summary[0], ["cache0", "too-large"]);
    }),
  );

  it.effect("stands still: another cache is asked when its time is over", () =>
    Effect.gen(function* () {
      const stalled: Behaviour = { bytes: answer(text).bytes.subarray(0, 3000), after: "stall" };
      const { caches, view } = yield* betweenTwo(consensusInstead(stalled));
      yield* TestClock.adjust("1 minute");
      assert.deepStrictEqual(caches.summary[0], ["cache0", "timeout"]);
      assert.strictEqual(view.current().missingMicrodescriptors, 0);
    }),
  );

  it.effect("is older than the one that is held: it is not taken, which is no fault", () =>
    Effect.gen(function* () {
      const { network, caches, view } = yield* betweenTwo(honest);
      const before = view.current().consensus;
      caches.behaviours[0] = other({ validAfter: start - hour }).respond;
      caches.behaviours[1] = caches.behaviours[0];
      caches.reports.length = 0;
      yield* TestClock.setTime(start + 3 * hour - 1000);
      assert.strictEqual(view.current().consensus, before);
      assert.isAbove(caches.reports.length, 0);
      assert.isTrue(caches.summary.every(([, outcome]) => outcome === "NotThere"));
      assert.isAbove(network.logs.find("Info", "offers the consensus of 2025-12-31T23:00:00.000Z").length, 0);
      assert.deepStrictEqual(network.logs.find("Warn", ""), []);
    }),
  );

  it.effect("comes from everybody alike: they are left alone for a while after three", () =>
    Effect.gen(function* () {
      const lying = consensusInstead(answer("hello\n"));
      const { caches, start: begin } = yield* clientAmong(electorate, Array(9).fill(lying), { now: start });
      const { reactor } = yield* begin;
      yield* TestClock.adjust("900 millis");
      assert.deepStrictEqual(
        caches.summary,
        [0, 1, 2].map((n) => [`cache${n}`, "document"] as const),
      );
      assert.isAbove(reactor.activity().nextAttempt ?? 0, start + 1000);
      const { failure } = reactor.activity();
      assert.strictEqual(failure?._tag === "DirectoryFetchError" ? failure.problem : failure, "document");
      // And not the one that was last.
      yield* TestClock.adjust("10 seconds");
      assert.notInclude(
        caches.summary.slice(3, 6).map(([name]) => name),
        "cache2",
      );
    }),
  );
});

describe("a diff to the next consensus", () => {
  const next = other({ validAfter: start + hour, relays: relays.slice(1) });
  const target = next.consensus as Buffer;
  const good = makeConsensusDiff(text, target).toString("latin1");
  const base = `X-Or-Diff-From-Consensus: ${consensusSignedDigest(text)}`;

  /** A client that has the first consensus, when the first cache answers so to whoever wants the next one, and the second is honest. */
  const nextFrom = (first: CacheBehaviour) =>
    Effect.gen(function* () {
      const found = yield* betweenTwo(honest);
      found.caches.behaviours.splice(0, 2, first, next.respond);
      found.caches.reports.length = 0;
      for (const directory of found.caches.directories) directory.requests.length = 0;
      yield* TestClock.setTime((found.reactor.activity().nextAttempt ?? 0) + 500);
      assert.strictEqual(found.view.current().held?.text.equals(target), true);
      return found;
    });

  const answering = (body: string): CacheBehaviour => insteadOf("/tor/status-vote/", answer(body));

  it.effect("is asked for, and makes it", () =>
    Effect.gen(function* () {
      const { caches } = yield* nextFrom(answering(good));
      assert.include(caches.directories[0]?.requests[0]?.head ?? "", base);
      assert.deepStrictEqual(caches.summary, [["cache0", "Answered"]]);
    }),
  );

  const spoilt: ReadonlyArray<readonly [name: string, diff: string, problem: DirectoryFetchProblem, told: string]> = [
    ["that starts from another consensus", good.replace(/^hash [0-9A-F]{4}/m, "hash 0000"), "document", "(wrong-base)"],
    ["that leads elsewhere", good.replace("valid-after", "valid-After"), "document", "(wrong-result)"],
    ["that is cut off", good.slice(0, good.length / 2), "document", "consensus diff"],
    [
      "that leads to what nobody has signed",
      makeConsensusDiff(
        text,
        Buffer.from(target.toString("latin1").replace("Bandwidth=100", "Bandwidth=999")),
      ).toString("latin1"),
      "verification",
      "signed by 0 of 3",
    ],
  ];
  for (const [name, diff, problem, told] of spoilt) {
    it.effect(`${name}: another cache is asked for the whole`, () =>
      Effect.gen(function* () {
        const { network, caches } = yield* nextFrom(answering(diff));
        assert.deepStrictEqual(caches.summary, [
          ["cache0", problem],
          ["cache1", "Answered"],
        ]);
        assert.notInclude(caches.directories[1]?.requests[0]?.head ?? "", "X-Or-Diff-From-Consensus");
        assert.strictEqual(network.logs.find("Warn", told).length, 1, network.logs.find("Warn", "").join());
      }),
    );
  }
});

describe("a clock that is wrong", () => {
  /** What a client finds whose clock is off by so much, among caches that are honest. */
  const offBy = (millis: number) =>
    Effect.gen(function* () {
      const { network, caches, reactor } = yield* betweenTwo(honest, start + millis);
      const { failure } = reactor.activity();
      assert.strictEqual(failure?._tag, "DirectoryFetchError");
      assert.isAbove(caches.reports.length, 0);
      const blamed = caches.reports.filter(
        ([, outcome]) => outcome._tag === "Failed" && outcome.error.validity === undefined,
      );
      // Nobody is blamed for anything but the time.
      assert.deepStrictEqual(blamed, []);
      assert.isAbove(network.logs.find("Warn", "consensus").length, 0);
      return failure?._tag === "DirectoryFetchError" ? failure.validity : undefined;
    });

  const told = (validity: ValidityError | undefined) => [validity?.problem, validity?.bound, validity?.now];

  for (const [name, millis, problem, bound] of [
    ["some hours behind", -5 * hour, "not-yet-valid", start],
    ["years behind", -2000 * 24 * hour, "not-yet-valid", start],
    ["some hours ahead", 5 * hour, "expired", start + 3 * hour],
    // All certificates have expired then.
    ["years ahead", 2000 * 24 * hour, "expired", start + 3 * hour],
  ] as const) {
    it.effect(`${name}: what failed tells the two times`, () =>
      Effect.gen(function* () {
        const [saidProblem, saidBound, now] = told(yield* offBy(millis));
        assert.deepStrictEqual([saidProblem, saidBound], [problem, bound]);
        assert.closeTo(Number(now), start + millis, 1000);
      }),
    );
  }
});

describe("certificates of a cache that lies, or is broken", () => {
  const cases: ReadonlyArray<
    readonly [name: string, behaviour: Behaviour, outcome: DirectoryFetchProblem | DirectoryOutcome["_tag"]]
  > = [
    ["are not there", notFound, "NotThere"],
    ["are none", answer(""), "NotThere"],
    ["are garbage", answer("garbage\n"), "document"],
    [
      "are those of strangers",
      answer(new Electorate().keys.map((k) => k.certificate(start, start + hour)).join("")),
      "document",
    ],
    ["are not all there", answer(electorate.certificates.slice(0, electorate.certificates.length / 3)), "Partial"],
    [
      "were changed",
      answer(electorate.certificates.replaceAll("dir-key-published 2025", "dir-key-published 2024")),
      "document",
    ],
  ];
  for (const [name, behaviour, outcome] of cases) {
    it.effect(`${name}: another cache has them`, () =>
      Effect.gen(function* () {
        const { caches, view } = yield* betweenTwo(insteadOf("/tor/keys/", behaviour));
        assert.strictEqual(view.current().certificates.length, 3);
        assert.strictEqual(view.current().consensus?.routers.length, 3);
        assert.deepStrictEqual(caches.summary.slice(0, 3), [
          ["cache0", outcome],
          ["cache1", "Answered"],
          // The consensus was good.
          ["cache0", "Answered"],
        ]);
      }),
    );
  }
});

describe("microdescriptors of a cache that lies, or is broken", () => {
  const [alice = "", bob = "", carol = ""] = microdescriptors;
  const stranger = pretendRelay("mallory").microdescriptor;
  const changed = alice.replace("ntor-onion-key ", "ntor-onion-key  ");

  const cases: ReadonlyArray<
    readonly [
      name: string,
      body: string,
      outcome: DirectoryFetchProblem | DirectoryOutcome["_tag"],
      told: string,
      left: number,
    ]
  > = [
    ["were not asked for", stranger + alice + bob + carol, "document", "1 documents that nobody asked for", 0],
    ["are those of others", stranger, "document", "1 documents that nobody asked for", 3],
    ["have another digest", changed + bob + carol, "document", "1 documents that nobody asked for", 1],
    ["cannot be read", `onion-key\nntor-onion-key short\n${bob}${carol}`, "document", "1 documents refused", 1],
    ["are garbage", "garbage\n", "document", "1 documents refused", 3],
    ["are cut off", (alice + bob + carol).slice(0, -20), "document", "1 documents refused", 1],
  ];
  for (const [name, body, outcome, told, left] of cases) {
    it.effect(`${name}: what is good is kept, and the others come from another cache at once`, () =>
      Effect.gen(function* () {
        const { network, caches, view } = yield* betweenTwo(microInstead(answer(body)));
        assert.deepStrictEqual(
          [...view.current().microdescriptors.keys()].sort(),
          [...electorate.microdescriptors.keys()].sort(),
        );
        assert.include(caches.summary.map((report) => report.join(" ")).join(), `cache0 ${outcome}`);
        assert.strictEqual(network.logs.find("Warn", told).length, 1);
        assert.include(network.logs.find("Warn", told)[0] ?? "", "http://198.51.100.1:9030/tor/micro/d/");
        const asked = caches.directories[1]
          ?.targets("/tor/micro/d/")
          .map((target) => target.slice(13).split("-").length);
        assert.deepStrictEqual(asked, left === 0 ? [] : [left]);
      }),
    );
  }

  it.effect("are not all there: that is no failure, and the others come from another cache", () =>
    Effect.gen(function* () {
      const { network, caches, view } = yield* betweenTwo(microInstead(answer(bob)));
      assert.strictEqual(view.current().missingMicrodescriptors, 0);
      assert.deepStrictEqual(caches.reports.at(-2), ["cache0", { _tag: "Partial", missing: 2, asked: 3 }]);
      assert.deepStrictEqual(caches.reports.at(-1), ["cache1", { _tag: "Answered" }]);
      assert.deepStrictEqual(network.logs.find("Warn", ""), []);
    }),
  );

  it.effect("are to be had from nobody: they are asked for again after a while, and what came is there meanwhile", () =>
    Effect.gen(function* () {
      const lying = microInstead((request) => (request.target.includes("-") ? answer(bob) : notFound));
      const { caches, start: begin } = yield* clientAmong(electorate, Array(5).fill(lying), { now: start });
      const { reactor, view } = yield* begin;
      yield* TestClock.adjust("500 millis");
      assert.strictEqual(view.current().missingMicrodescriptors, 2);
      const { wanted, nextAttempt = 0 } = reactor.activity();
      assert.deepStrictEqual(wanted, { what: "microdescriptors", have: 1, of: 3 });
      assert.isAtLeast(nextAttempt, start + 1000);
      for (const index of caches.behaviours.keys()) caches.behaviours[index] = honest;
      yield* TestClock.setTime(nextAttempt + 1000);
      assert.strictEqual(view.current().missingMicrodescriptors, 0);
      assert.strictEqual(reactor.activity().wanted, undefined);
    }),
  );

  it.effect(
    "are what the consensus names, and cannot be read: nobody is blamed, and they are not asked for again",
    () =>
      Effect.gen(function* () {
        const strange = { ...pretendRelay("dave"), microdescriptor: "onion-key\nntor-onion-key short\n" };
        const odd = other({ relays: [...relays, strange] });
        const { network, caches, start: begin } = yield* clientAmong(electorate, [odd.respond], { now: start });
        const { view } = yield* begin;
        yield* TestClock.adjust("10 minutes");
        assert.strictEqual(view.current().microdescriptors.size, 3);
        assert.strictEqual(view.current().missingMicrodescriptors, 0);
        assert.strictEqual(caches.directories[0]?.targets("/tor/micro/d/").length, 1);
        assert.deepStrictEqual(caches.summary.at(-1), ["cache0", "Answered"]);
        assert.strictEqual(network.logs.find("Warn", "a microdescriptor of the consensus cannot be read").length, 1);
      }),
  );
});
