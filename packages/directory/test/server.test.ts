import { inflateSync } from "node:zlib";
import { EndReason } from "@allium/cell";
import type { Connection } from "@allium/channel";
import { parseAuthorityCertificates, parseMicrodescriptors } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Layer, Stream } from "effect";
import { TestClock } from "effect/testing";
import { Holdings } from "../src/download/holdings.ts";
import {
  DirectoryReactor,
  DirectoryServer,
  type DirectoryServerConfig,
  DirectoryView,
  layerDirectoryServer,
  type OwnDocuments,
} from "../src/index.ts";
import { torDocument, torValidAfter } from "./support/documents.ts";

const consensusText = torDocument("consensus-microdesc");
const certificates = parseAuthorityCertificates(torDocument("certificates")).documents;
const microdescriptors = parseMicrodescriptors(torDocument("microdescriptors")).documents;
const identities = certificates.map(({ identity }) => identity);
const own: OwnDocuments = { descriptor: "router allium\n", extraInfo: "extra-info allium\n" };

/** What a relay holds that has fetched everything. */
const full = (): Holdings => {
  const holdings = new Holdings(identities);
  holdings.acceptCertificates(torDocument("certificates"), torValidAfter);
  holdings.acceptConsensus(holdings.readConsensus(consensusText), torValidAfter);
  holdings.acceptMicrodescriptors(torDocument("microdescriptors"), new Set(holdings.missingMicrodescriptors()));
  return holdings;
};

interface Setup {
  readonly holdings?: Holdings;
  readonly own?: OwnDocuments | undefined;
  readonly config?: DirectoryServerConfig;
  readonly now?: number;
}

const serverOf = Effect.fnUntraced(function* (setup: Setup) {
  yield* TestClock.setTime(setup.now ?? torValidAfter);
  const holdings = setup.holdings ?? full();
  const view = Layer.succeed(DirectoryView, { current: () => holdings.snapshot, changes: Stream.empty });
  const publication =
    "own" in setup && setup.own === undefined
      ? undefined
      : { documents: setup.own ?? own, at: 0, reason: "", uploads: new Map() };
  const reactor = Layer.succeed(DirectoryReactor, {
    fetcher: undefined as never,
    publisher: undefined as never,
    publish: () => Effect.void,
    publication: () => publication,
    publications: Stream.empty,
  });
  const context = yield* Layer.build(layerDirectoryServer(setup.config).pipe(Layer.provide([view, reactor])));
  return Context.get(context, DirectoryServer);
});

/** All bytes that come until the stream ends. */
const readAll = Effect.fnUntraced(function* (connection: Connection) {
  const parts: Array<Buffer> = [];
  while (connection.status === "open" || connection.readable > 0) {
    for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) parts.push(bytes);
    // Packing takes real time, of which the test's clock knows nothing.
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)));
  }
  return Buffer.concat(parts);
});

interface Response {
  readonly status: string;
  readonly head: string;
  readonly body: Buffer;
}

const request = Effect.fnUntraced(function* (server: DirectoryServer["Service"], text: string, address?: string) {
  const { connection, connected } = yield* server.open(address === undefined ? {} : { address });
  assert.deepStrictEqual(connected, { _tag: "CONNECTED", resolved: undefined });
  connection.write(Buffer.from(text, "latin1"));
  const bytes = yield* readAll(connection);
  const end = bytes.indexOf("\r\n\r\n");
  const head = bytes.toString("latin1", 0, end);
  return { status: head.split("\r\n")[0] ?? "", head, body: bytes.subarray(end + 4) } satisfies Response;
});

const get = (server: DirectoryServer["Service"], target: string, headers = "") =>
  request(server, `GET ${target} HTTP/1.0\r\n${headers}\r\n`);

const ok = "HTTP/1.0 200 OK";
const absent = "HTTP/1.0 404 Not found";

describe("the directory server", () => {
  it.effect("hands out the relay's own documents", () =>
    Effect.gen(function* () {
      const server = yield* serverOf({});
      const descriptor = yield* get(server, "/tor/server/authority");
      assert.strictEqual(descriptor.status, ok);
      assert.strictEqual(descriptor.body.toString(), own.descriptor);
      assert.strictEqual((yield* get(server, "/tor/extra/authority")).body.toString(), own.extraInfo);
      assert.strictEqual(server.active(), 0);
      const silent = yield* serverOf({ own: undefined });
      assert.strictEqual((yield* get(silent, "/tor/server/authority")).status, absent);
    }),
  );

  it.effect("hands out the consensus, packed for those who take it so", () =>
    Effect.gen(function* () {
      const server = yield* serverOf({});
      const target = "/tor/status-vote/current/consensus-microdesc";
      const plain = yield* get(server, target);
      assert.strictEqual(plain.status, ok);
      assert.strictEqual(plain.body.equals(consensusText), true);
      assert.include(plain.head, "\r\nContent-Encoding: identity\r\n");
      assert.include(plain.head, `\r\nContent-Length: ${consensusText.length}`);
      assert.include(plain.head, `\r\nDate: ${new Date(torValidAfter).toUTCString()}\r\n`);
      const packed: ReadonlyArray<Response> = [
        yield* get(server, `${target}.z`),
        yield* get(server, target, "Accept-Encoding: deflate\r\n"),
        yield* get(server, `${target}/${identities.join("+")}.z`, "Accept-Encoding: deflate, gzip, x-zstd\r\n"),
      ];
      for (const { body, head } of packed) {
        assert.include(head, "\r\nContent-Encoding: deflate\r\n");
        assert.strictEqual(inflateSync(body).equals(consensusText), true);
      }
      const refusing = yield* get(server, `${target}.z`, "Accept-Encoding: identity\r\n");
      assert.strictEqual(refusing.body.equals(consensusText), true);
    }),
  );

  it.effect("hands the consensus out only if most of the authorities that a client trusts have signed it", () =>
    Effect.gen(function* () {
      const server = yield* serverOf({});
      const ask = (names: ReadonlyArray<string>) =>
        Effect.map(
          get(server, `/tor/status-vote/current/consensus-microdesc/${names.join("+")}`),
          ({ status }) => status,
        );
      const short = identities.map((identity) => identity.slice(0, 6).toLowerCase());
      const strangers = ["A".repeat(40), "B".repeat(40), "C".repeat(40)];
      const refused = "HTTP/1.0 404 Consensus not signed by sufficient number of requested authorities";
      assert.strictEqual(yield* ask(identities), ok);
      assert.strictEqual(yield* ask(short), ok);
      assert.strictEqual(yield* ask([...identities, ...strangers.slice(1)]), ok);
      assert.strictEqual(yield* ask([...identities, ...strangers]), refused);
      assert.strictEqual(yield* ask(["nonsense"]), refused);
    }),
  );

  it.effect("answers 304 to those who have the consensus already", () =>
    Effect.gen(function* () {
      const server = yield* serverOf({});
      const ask = (since: string) =>
        Effect.map(
          get(server, "/tor/status-vote/current/consensus-microdesc", `If-Modified-Since: ${since}\r\n`),
          ({ status, body }) => [status, body.length],
        );
      const time = (moment: number) => new Date(moment).toUTCString();
      assert.deepStrictEqual(yield* ask(time(torValidAfter)), ["HTTP/1.0 304 Not modified", 0]);
      assert.deepStrictEqual(yield* ask(time(torValidAfter - 1000)), [ok, consensusText.length]);
      assert.deepStrictEqual(yield* ask("yesterday"), [ok, consensusText.length]);
    }),
  );

  it.effect("has no consensus to hand out before there is one, and a day after its end", () =>
    Effect.gen(function* () {
      const target = "/tor/status-vote/current/consensus-microdesc";
      const empty = yield* serverOf({ holdings: new Holdings(identities) });
      assert.strictEqual((yield* get(empty, target)).status, "HTTP/1.0 404 Consensus not available");
      const late = yield* serverOf({ now: torValidAfter + 25 * 3_600_000 });
      assert.strictEqual((yield* get(late, target)).status, "HTTP/1.0 404 Consensus is too old");
    }),
  );

  it.effect("hands out the microdescriptors that it has", () =>
    Effect.gen(function* () {
      const server = yield* serverOf({});
      const [first, second] = microdescriptors;
      const target = `/tor/micro/d/${first?.digest}-${"A".repeat(43)}-nonsense-${second?.digest}=`;
      const found = yield* get(server, `${target}-${first?.digest}`);
      assert.deepStrictEqual(
        parseMicrodescriptors(found.body).documents.map(({ digest }) => digest),
        [first?.digest, second?.digest],
      );
      const packed = yield* get(server, `${target}.z`);
      assert.strictEqual(inflateSync(packed.body).equals(found.body), true);
      assert.strictEqual((yield* get(server, `/tor/micro/d/${"A".repeat(43)}`)).status, absent);
    }),
  );

  it.effect("hands out certificates by authority, by signing key, by both, or all", () =>
    Effect.gen(function* () {
      const server = yield* serverOf({});
      const ask = (rest: string) =>
        Effect.map(get(server, `/tor/keys/${rest}`), ({ body }) =>
          parseAuthorityCertificates(body).documents.map(({ identity }) => identity),
        );
      const [first, second] = certificates;
      assert.deepStrictEqual(yield* ask("all"), identities);
      assert.deepStrictEqual(yield* ask(`fp/${first?.identity.toLowerCase()}`), [first?.identity]);
      assert.deepStrictEqual(yield* ask(`fp/${first?.identity}+${second?.identity}`), [
        first?.identity,
        second?.identity,
      ]);
      assert.deepStrictEqual(yield* ask(`sk/${second?.signingKeyDigest}`), [second?.identity]);
      assert.deepStrictEqual(yield* ask(`fp-sk/${first?.identity}-${first?.signingKeyDigest}`), [first?.identity]);
      const mixed = yield* get(server, `/tor/keys/fp-sk/${first?.identity}-${second?.signingKeyDigest}`);
      assert.strictEqual(mixed.status, absent);
    }),
  );

  it.effect("answers 404 for what it does not have, and 400 for what is no request", () =>
    Effect.gen(function* () {
      const server = yield* serverOf({});
      const targets = [
        "/",
        "/tor/",
        "/tor/server/all",
        "/tor/keys/all/more",
        "/tor/keys/authority",
        "/tor/status-vote/current/consensus",
        "/tor/status-vote/current/consensus-microdesc-2",
        "/tor/../etc/passwd",
      ];
      for (const target of targets) assert.strictEqual((yield* get(server, target)).status, absent, target);
      const garbage = ["\r\n\r\n", "nonsense\r\n\r\n", "GET /tor/ HTTP/1.0\r\nno field\r\n\r\n", "a".repeat(60_000)];
      for (const text of garbage)
        assert.strictEqual((yield* request(server, text)).status, "HTTP/1.0 400 Bad request", text.slice(0, 20));
      const post = yield* request(server, "POST /tor/ HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
      assert.strictEqual(post.status, "HTTP/1.0 400 This is no directory authority");
      assert.strictEqual((yield* request(server, "HEAD / HTTP/1.0\r\n\r\n")).status, "HTTP/1.0 400 Bad method");
      assert.strictEqual(server.active(), 0);
    }),
  );

  it.effect("tells a client its address, if it knows it", () =>
    Effect.gen(function* () {
      const server = yield* serverOf({});
      const { head } = yield* request(server, "GET /tor/server/authority HTTP/1.0\r\n\r\n", "192.0.2.77");
      assert.include(head, "\r\nX-Your-Address-Is: 192.0.2.77\r\n");
      assert.notInclude((yield* get(server, "/tor/server/authority")).head, "X-Your-Address-Is");
    }),
  );

  it.effect("gives up a client that does not ask", () =>
    Effect.gen(function* () {
      const server = yield* serverOf({});
      const { connection } = yield* server.open();
      connection.write(Buffer.from("GET /tor/"));
      yield* TestClock.adjust("59 seconds");
      assert.strictEqual(server.active(), 1);
      yield* TestClock.adjust("1 second");
      assert.strictEqual(server.active(), 0);
      assert.strictEqual(connection.status, "closed");
    }),
  );

  it.effect("gives up a client that leaves before it has asked", () =>
    Effect.gen(function* () {
      const server = yield* serverOf({});
      const { connection } = yield* server.open();
      connection.end();
      yield* TestClock.adjust(0);
      assert.strictEqual(server.active(), 0);
    }),
  );

  it.effect("holds little for a client that does not read, and gives it up", () =>
    Effect.gen(function* () {
      const large: OwnDocuments = { descriptor: "x".repeat(1_000_000), extraInfo: "" };
      const server = yield* serverOf({ own: large });
      const { connection } = yield* server.open();
      connection.write(Buffer.from("GET /tor/server/authority HTTP/1.0\r\n\r\n"));
      yield* TestClock.adjust("30 seconds");
      assert.isBelow(connection.readable, 100_000);
      assert.isAbove(connection.readable, 30_000);
      // A client that reads now and then is slow, and no more than that.
      connection.read();
      yield* TestClock.adjust("59 seconds");
      assert.strictEqual(server.active(), 1);
      yield* TestClock.adjust("1 minute");
      assert.strictEqual(server.active(), 0);
      assert.strictEqual(connection.status, "closed");
    }),
  );

  it.effect("lets go of a client that goes away in the middle of the answer", () =>
    Effect.gen(function* () {
      const server = yield* serverOf({ own: { descriptor: "x".repeat(1_000_000), extraInfo: "" } });
      const { connection } = yield* server.open();
      connection.write(Buffer.from("GET /tor/server/authority HTTP/1.0\r\n\r\n"));
      yield* TestClock.adjust("1 second");
      connection.destroy();
      yield* TestClock.adjust(0);
      assert.strictEqual(server.active(), 0);
    }),
  );

  it.effect("serves no more streams at a time than it may", () =>
    Effect.gen(function* () {
      const server = yield* serverOf({ config: { maxStreams: 2 } });
      const { connection } = yield* server.open();
      yield* server.open();
      const refusal = yield* Effect.flip(server.open());
      assert.deepStrictEqual(refusal, {
        _tag: "StreamRefusal",
        end: { _tag: "END", reason: EndReason.RESOURCELIMIT, resolved: undefined },
      });
      connection.destroy();
      yield* TestClock.adjust(0);
      yield* server.open();
    }),
  );
});
