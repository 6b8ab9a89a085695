import { deflateSync } from "node:zlib";
import { parseAuthorityCertificates } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Stream } from "effect";
import { TestClock } from "effect/testing";
import { pretendRelay, torDocument, torValidAfter } from "./support/documents.ts";
import { eventually } from "./support/eventually.ts";
import { Electorate, pretendNetwork, relayHost, startAmong, torAuthority } from "./support/network.ts";
import {
  answer,
  type Behaviour,
  notFound,
  type PretendedDirectory,
  type SeenRequest,
} from "./support/pretended-directory.ts";

const torIdentities = parseAuthorityCertificates(torDocument("certificates")).documents.map(({ identity }) => identity);
const hour = 3_600_000;
const start = Date.UTC(2026, 0, 1);
const relays = ["alice", "bob", "carol"].map((nickname) => pretendRelay(nickname));

/** Authorities that have agreed on their first consensus. */
const agreed = (change: Partial<Parameters<Electorate["agree"]>[0]> = {}): Electorate => {
  const electorate = new Electorate();
  electorate.agree({ validAfter: start, intervalMillis: hour, relays, ...change });
  return electorate;
};

describe("the fetching reactor", () => {
  it.effect("fetches, unpacks and verifies what a real network has", () =>
    Effect.gen(function* () {
      const { network, view } = yield* startAmong(torValidAfter + 5000, torIdentities, torAuthority);
      assert.strictEqual(view.current().consensus, undefined);
      yield* TestClock.adjust("1 second");

      const { consensus, held, params, microdescriptors, missingMicrodescriptors } = view.current();
      assert.strictEqual(consensus?.routers.length, 6);
      assert.strictEqual(held?.text.equals(torDocument("consensus-microdesc")), true);
      assert.deepStrictEqual([...(held?.signers ?? [])].sort(), [...torIdentities].sort());
      assert.strictEqual(params.raw("cfx_enabled"), 1);
      // The fixture has microdescriptors of some relays only.
      assert.strictEqual(missingMicrodescriptors, 6 - microdescriptors.size);
      const targets = network.requests().map(({ target }) => target);
      assert.strictEqual(
        targets[0],
        `/tor/status-vote/current/consensus-microdesc/${[...torIdentities].sort().join("+")}`,
      );
      assert.isTrue(targets[1]?.startsWith("/tor/keys/fp-sk/"));
      assert.isTrue(targets[2]?.startsWith("/tor/micro/d/"));
      assert.include(network.requests()[0]?.head ?? "", "Accept-Encoding: deflate, gzip, x-zstd, identity");
    }),
  );

  it.effect("fetches the next consensus in its time, and shows each one as a whole", () =>
    Effect.gen(function* () {
      const electorate = agreed();
      const { network, view } = yield* startAmong(start + 10_000, electorate.identities, electorate.respond);
      const seen: Array<string> = [];
      yield* Effect.forkScoped(
        Stream.runForEach(view.changes, ({ consensus, microdescriptors, missingMicrodescriptors, params }) =>
          Effect.sync(() =>
            seen.push(
              `${consensus?.routers.length ?? 0} relays, ${microdescriptors.size} described, ${missingMicrodescriptors} missing, cc_alg ${params.raw("cc_alg")}`,
            ),
          ),
        ),
      );
      yield* TestClock.adjust("1 second");
      electorate.agree({ validAfter: start + hour, intervalMillis: hour, relays: relays.slice(1), params: "cc_alg=0" });
      yield* TestClock.setTime(start + hour + 119_000);
      assert.strictEqual(network.requests("/tor/status-vote").length, 1);
      yield* TestClock.setTime(start + hour + 32 * 60_000);
      assert.strictEqual(network.requests("/tor/status-vote").length, 2);
      const since = `If-Modified-Since: ${new Date(start).toUTCString()}`;
      assert.include(network.requests("/tor/status-vote")[1]?.head ?? "", since);
      assert.deepStrictEqual(seen, [
        "0 relays, 0 described, 0 missing, cc_alg undefined",
        "3 relays, 0 described, 3 missing, cc_alg 2",
        "3 relays, 3 described, 0 missing, cc_alg 2",
        // The microdescriptor that is listed no more is kept for a week.
        "2 relays, 3 described, 0 missing, cc_alg 0",
      ]);
    }),
  );

  it.effect("waits for authorities that are not up yet, and for their first consensus", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start);
      const network = yield* pretendNetwork;
      const electorate = new Electorate();
      network.everywhere(electorate.respond);
      const { view } = yield* network.start({
        authorities: network.authorities(electorate.identities),
        testNetwork: true,
      });
      yield* TestClock.adjust("30 seconds");
      yield* network.listen();
      yield* TestClock.adjust("20 seconds");
      assert.isAtLeast(network.requests("/tor/status-vote").length, 3);
      assert.isAtLeast(network.logs.find("Info", "ECONNREFUSED").length, 5);
      electorate.agree({ validAfter: start + 50_000, intervalMillis: 20_000, relays });
      yield* TestClock.adjust("6 seconds");
      assert.strictEqual(view.current().consensus?.routers.length, 3);
      assert.strictEqual(view.current().missingMicrodescriptors, 0);
    }),
  );

  it.effect("asks for microdescriptors in batches, of all authorities", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 300 }, (_, index) => pretendRelay(`relay${index}`));
      const electorate = agreed({ relays: many });
      const { network, view } = yield* startAmong(start, electorate.identities, electorate.respond);
      yield* TestClock.adjust("1 second");
      assert.strictEqual(view.current().microdescriptors.size, 300);
      const sizes = network.requests("/tor/micro/d/").map(({ target }) => target.slice(13).split("-").length);
      assert.deepStrictEqual(sizes.sort(), [24, 92, 92, 92]);
      const askedOnes = network.directories.filter((directory) => directory.targets("/tor/micro/d/").length > 0);
      assert.isAtLeast(askedOnes.length, 2);
    }),
  );

  it.effect("fetches the certificate of a signing key that an authority takes later", () =>
    Effect.gen(function* () {
      const electorate = agreed();
      const { network, view } = yield* startAmong(start, electorate.identities, electorate.respond);
      yield* TestClock.adjust("1 second");
      const [first, second] = electorate.keys;
      first?.rotate();
      second?.rotate();
      electorate.agree({ validAfter: start + hour, intervalMillis: hour, relays });
      yield* TestClock.adjust("2 hours");
      assert.strictEqual(view.current().consensus?.lifetime.validAfter, start + hour);
      assert.strictEqual(view.current().certificates.length, 5);
      const wanted = [first, second].map((keys) => `${keys?.identity}-${keys?.signingKeyDigest}`).sort();
      assert.deepStrictEqual(network.requests("/tor/keys/")[1]?.target.slice(16).split("+").sort(), wanted);
    }),
  );

  it.effect("gets certificates from another authority, if the first one does not have them", () =>
    Effect.gen(function* () {
      const electorate = agreed();
      let refusals = 0;
      const { network, view } = yield* startAmong(start, electorate.identities, (request) =>
        request.target.startsWith("/tor/keys/") && refusals++ === 0 ? notFound : electorate.respond(request),
      );
      yield* TestClock.adjust("1 second");
      assert.strictEqual(view.current().consensus?.routers.length, 3);
      const hosts = network.directories.filter((directory) => directory.targets("/tor/keys/").length === 1);
      assert.strictEqual(hosts.length, 2);
    }),
  );
});

describe("an authority that lies, or is broken", () => {
  const good = agreed();
  const text = good.consensus as Buffer;
  const isConsensus = ({ target }: SeenRequest): boolean => target.startsWith("/tor/status-vote/");
  const instead =
    (behaviour: Behaviour) =>
    (request: SeenRequest): Behaviour =>
      isConsensus(request) ? behaviour : good.respond(request);

  /** What a relay has, and what its operator reads, after ten minutes with authorities that behave so. */
  const suffer = (respond: (request: SeenRequest) => Behaviour, now = start) =>
    Effect.gen(function* () {
      const { network, view } = yield* startAmong(now, good.identities, respond);
      yield* TestClock.adjust("10 minutes");
      return { snapshot: view.current(), logs: network.logs, requests: network.requests("/tor/status-vote").length };
    });

  const cases: ReadonlyArray<readonly [name: string, behaviour: Behaviour, told: string, now?: number]> = [
    ["closes without a word", { bytes: Buffer.alloc(0), after: "end" }, "in the middle of its head (malformed)"],
    ["breaks the connection", { bytes: Buffer.alloc(0), after: "reset" }, "(malformed)"],
    [
      "cuts the consensus short",
      { ...answer(text), bytes: answer(text).bytes.subarray(0, 3000), after: "end" },
      "(malformed)",
    ],
    [
      "stands still",
      { bytes: answer(text).bytes.subarray(0, 3000), after: "stall" },
      "the answer does not go on (timeout)",
    ],
    [
      "sends something else than HTTP",
      { bytes: Buffer.from("220 mail.example.net ESMTP\r\n\r\n"), after: "end" },
      "is no status line (malformed)",
    ],
    ["sends no consensus", answer("hello\n"), '"network-status-version" is missing (missing-item) (document)'],
    [
      "announces far too much",
      { bytes: Buffer.from("HTTP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n"), after: "end" },
      "(too-large)",
    ],
    [
      "sends what does not unpack",
      answer("nonsense", { headers: "Content-Encoding: gzip\r\n" }),
      "cannot be unpacked as gzip (encoding)",
    ],
    ["is out of order", answer("", { status: "503 Directory busy" }), "503 Directory busy (status)"],
    ["sends the other flavour", answer(torDocument("consensus-ns")), "another flavour"],
    [
      "changes the consensus",
      answer(text.toString("latin1").replace("Bandwidth=100", "Bandwidth=999")),
      "signed by 0 of 3 trusted authorities, 0 certificates missing",
    ],
    [
      "sends a consensus that has ended",
      answer(text),
      "consensus expired at 2026-01-01T03:00:00.000Z, and it is 2026-01-01T03:00:",
      start + 3 * hour,
    ],
    [
      "sends a consensus of the future",
      answer(text),
      "consensus is not valid before 2026-01-01T00:00:00.000Z",
      start - hour,
    ],
  ];
  for (const [name, behaviour, told, now] of cases) {
    it.effect(`${name}: nothing is taken, it is told, and others are asked`, () =>
      Effect.gen(function* () {
        const { snapshot, logs, requests } = yield* suffer(instead(behaviour), now);
        assert.strictEqual(snapshot.consensus, undefined);
        assert.isAbove(logs.find("Warn", told).length, 1, JSON.stringify(logs.lines.slice(0, 3)));
        assert.isAbove(requests, 1);
        assert.isBelow(requests, 100);
      }),
    );
  }

  it.effect("sends what unpacks to far too much: nothing is taken, it is told, and nobody is held up", () =>
    Effect.gen(function* () {
      const bomb = answer(deflateSync(Buffer.alloc(17_000_000)), { headers: "Content-Encoding: deflate\r\n" });
      const { network, view } = yield* startAmong(start, good.identities, () => bomb);
      const told = "unpacks to more than 16777216 bytes (too-large)";
      yield* eventually(() => network.logs.find("Warn", told).length > 1);
      assert.strictEqual(view.current().consensus, undefined);
    }),
  );

  it.effect("lets the connection be cut, does not let one come about, or lets the answer drip: the relay goes on", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start);
      const network = yield* pretendNetwork;
      const [first, second, third] = network.directories as [
        PretendedDirectory,
        PretendedDirectory,
        PretendedDirectory,
      ];
      network.everywhere(instead({ bytes: Buffer.alloc(0), after: "stall" }));
      third.respond = instead({ ...answer(text), pieces: true, after: "stall" });
      yield* network.listen();
      // A byte in 50 seconds never stands still for a minute, and would take days.
      network.memory.setLine(third.endpoint.host, relayHost, { bandwidth: 1 / 50 });
      network.memory.setLine(second.endpoint.host, relayHost, { latency: "40 seconds" });
      const { view } = yield* network.start({ authorities: network.authorities(good.identities) });
      for (let minutes = 0; minutes < 60; minutes++) {
        yield* TestClock.adjust("1 minute");
        network.memory.cut(first.endpoint.host, relayHost);
      }
      assert.strictEqual(view.current().consensus, undefined);
      assert.isAbove(network.logs.find("Info", "reset (ECONNRESET) at 192.0.2.1:80 (transport)").length, 0);
      assert.isAbove(network.logs.find("Warn", "no connection in time (timeout)").length, 0);
      assert.isAbove(network.logs.find("Warn", "no whole answer in time (timeout)").length, 0);
      network.everywhere(good.respond);
      yield* TestClock.adjust("1 hour");
      assert.strictEqual(view.current().consensus?.routers.length, 3);
      // Nothing is left open.
      assert.strictEqual(network.memory.connections(), 0);
    }),
  );

  it.effect("a consensus of too few authorities is not taken", () =>
    Effect.gen(function* () {
      const few = new Electorate();
      few.agree({ validAfter: start, intervalMillis: hour, relays, signers: few.keys.slice(0, 1) });
      const { network, view } = yield* startAmong(start, few.identities, few.respond);
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(view.current().consensus, undefined);
      assert.isAbove(network.logs.find("Warn", "signed by 1 of 3 trusted authorities").length, 1);
    }),
  );

  it.effect("certificates of strangers and microdescriptors that nobody asked for are not taken", () =>
    Effect.gen(function* () {
      const strangers = agreed({ relays: [pretendRelay("mallory")] });
      const { snapshot } = yield* suffer((request) => {
        if (request.target.startsWith("/tor/keys/")) return answer(strangers.certificates + good.certificates);
        if (request.target.startsWith("/tor/micro/"))
          return answer([...strangers.microdescriptors.values(), ...good.microdescriptors.values()].join(""));
        return good.respond(request);
      });
      assert.deepStrictEqual(snapshot.certificates.map(({ identity }) => identity).sort(), [...good.identities].sort());
      assert.strictEqual(snapshot.microdescriptors.size, 3);
    }),
  );

  it.effect("a microdescriptor that is malformed is refused, and the others are taken", () =>
    Effect.gen(function* () {
      const { snapshot, logs } = yield* suffer((request) =>
        request.target.startsWith("/tor/micro/")
          ? answer(`onion-key\nntor-onion-key short\n${[...good.microdescriptors.values()].join("")}`)
          : good.respond(request),
      );
      assert.strictEqual(snapshot.microdescriptors.size, 3);
      assert.strictEqual(logs.find("Warn", "1 documents refused").length, 1);
    }),
  );

  it.effect("an old consensus does not take the place of a newer one, and a bad one of none", () =>
    Effect.gen(function* () {
      const electorate = agreed({ validAfter: start - hour, intervalMillis: 4 * hour });
      const old = electorate.consensus;
      electorate.agree({ validAfter: start, intervalMillis: hour, relays });
      const { network, view } = yield* startAmong(start, electorate.identities, electorate.respond);
      yield* TestClock.adjust("1 minute");
      const before = view.current();
      electorate.consensus = old;
      yield* TestClock.adjust("2 hours");
      electorate.consensus = Buffer.from("nonsense\n");
      yield* TestClock.adjust("2 hours");
      assert.strictEqual(view.current(), before);
      assert.isAbove(network.logs.find("Info", "offers the consensus of 2025-12-31T23:00:00.000Z").length, 1);
    }),
  );

  it.effect("one that is down is left out, and the next one answers", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(start);
      const network = yield* pretendNetwork;
      network.everywhere(good.respond);
      yield* network.listen(network.directories.slice(2));
      const { view } = yield* network.start({ authorities: network.authorities(good.identities) });
      yield* TestClock.adjust("2 minutes");
      assert.strictEqual(view.current().missingMicrodescriptors, 0);
      assert.strictEqual(view.current().consensus?.routers.length, 3);
    }),
  );
});
