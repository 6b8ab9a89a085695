import { gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { EndReason } from "@allium/cell";
import { parseAuthorityCertificates, parseMicrodescriptors } from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { TestClock } from "effect/testing";
import { Holdings } from "../src/download/holdings.ts";
import type { OwnDocuments } from "../src/index.ts";
import { torValidAfter } from "./support/documents.ts";
import {
  certificates,
  consensusText,
  get,
  identities,
  microdescriptors,
  own,
  type Response,
  request,
  serverOf,
} from "./support/served.ts";

const ok = "HTTP/1.0 200 OK";
const absent = "HTTP/1.0 404 Not found";

describe("the directory server", () => {
  it.effect("hands out the relay's own documents", () =>
    Effect.gen(function* () {
      const server = yield* serverOf();
      const descriptor = yield* get(server, "/tor/server/authority");
      assert.strictEqual(descriptor.status, ok);
      assert.strictEqual(descriptor.body.toString(), own.descriptor);
      assert.strictEqual((yield* get(server, "/tor/extra/authority")).body.toString(), own.extraInfo);
      assert.strictEqual(server.active(), 0);
      const silent = yield* serverOf({ own: undefined });
      assert.strictEqual((yield* get(silent, "/tor/server/authority")).status, "HTTP/1.0 404 Servers unavailable");
    }),
  );

  it.effect("hands out the consensus, packed for those who take it so", () =>
    Effect.gen(function* () {
      const server = yield* serverOf();
      const target = "/tor/status-vote/current/consensus-microdesc";
      const plain = yield* get(server, target);
      assert.strictEqual(plain.status, ok);
      assert.strictEqual(plain.body.equals(consensusText), true);
      assert.include(plain.head, "\r\nContent-Encoding: identity\r\n");
      assert.include(plain.head, `\r\nContent-Length: ${consensusText.length}`);
      assert.include(plain.head, `\r\nDate: ${new Date(torValidAfter).toUTCString()}\r\n`);
      assert.include(plain.head, `\r\nExpires: ${new Date(torValidAfter + 20_000).toUTCString()}\r\n`);
      assert.include(plain.head, "\r\nVary: X-Or-Diff-From-Consensus");
      const unpack = { deflate: inflateSync, gzip: gunzipSync, "x-zstd": zstdDecompressSync };
      const packed: ReadonlyArray<readonly [keyof typeof unpack, Response]> = [
        ["deflate", yield* get(server, `${target}.z`)],
        ["deflate", yield* get(server, target, "Accept-Encoding: deflate\r\n")],
        ["gzip", yield* get(server, target, "Accept-Encoding: gzip;q=0.5, deflate;q=0\r\n")],
        [
          "x-zstd",
          yield* get(server, `${target}/${identities.join("+")}.z`, "Accept-Encoding: x-tor-lzma, x-zstd\r\n"),
        ],
        // As with tor: who asks for `.z` can unpack it.
        ["deflate", yield* get(server, `${target}.z`, "Accept-Encoding: identity\r\n")],
      ];
      for (const [encoding, { body, head }] of packed) {
        assert.include(head, `\r\nContent-Encoding: ${encoding}\r\n`);
        assert.include(head, `\r\nContent-Length: ${body.length}\r\n`);
        assert.strictEqual(unpack[encoding](body).equals(consensusText), true);
      }
    }),
  );

  it.effect("hands the consensus out only if most of the authorities that a client trusts have signed it", () =>
    Effect.gen(function* () {
      const server = yield* serverOf();
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
      const server = yield* serverOf();
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
      assert.strictEqual((yield* get(empty, target)).status, absent);
      const late = yield* serverOf({ now: torValidAfter + 25 * 3_600_000 });
      assert.strictEqual((yield* get(late, target)).status, "HTTP/1.0 404 Consensus is too old");
    }),
  );

  it.effect("hands out the microdescriptors that it has", () =>
    Effect.gen(function* () {
      const server = yield* serverOf();
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
      const server = yield* serverOf();
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
      const server = yield* serverOf();
      const targets = [
        "/",
        "/tor/",
        "/tor/server/",
        "/tor/server/d",
        "/tor/extra/nothing",
        "/tor/keys/authority",
        "/tor/status-vote/next/consensus",
        "/tor/status-vote/current/consensus-microdesc-2",
        "/tor/status-vote/current/consensus2",
        "/tor/robots.txt/more",
        "/tor/../etc/passwd",
      ];
      for (const target of targets) assert.strictEqual((yield* get(server, target)).status, absent, target);
      for (const target of ["/tor/keys/all/more", "/tor/keys/", "/tor/keys/fpx", "/tor/keys/by-name/authority0"])
        assert.strictEqual((yield* get(server, target)).status, "HTTP/1.0 400 Bad request", target);
      const garbage = ["\r\n\r\n", "nonsense\r\n\r\n", "GET /tor/ HTTP/1.0\r\nno field\r\n\r\n", "a".repeat(60_000)];
      for (const text of garbage)
        assert.strictEqual((yield* request(server, text)).status, "HTTP/1.0 400 Bad request", text.slice(0, 20));
      const post = yield* request(server, "POST /tor/ HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
      assert.strictEqual(
        post.status,
        "HTTP/1.0 400 Nonauthoritative directory does not accept posted server descriptors",
      );
      assert.strictEqual((yield* request(server, "HEAD / HTTP/1.0\r\n\r\n")).status, "HTTP/1.0 400 Bad request");
      assert.strictEqual(server.active(), 0);
    }),
  );

  it.effect("tells a client its address, if it knows it", () =>
    Effect.gen(function* () {
      const server = yield* serverOf();
      const { head } = yield* request(server, "GET /tor/server/authority HTTP/1.0\r\n\r\n", "192.0.2.77");
      assert.include(head, "\r\nX-Your-Address-Is: 192.0.2.77\r\n");
      assert.notInclude((yield* get(server, "/tor/server/authority")).head, "X-Your-Address-Is");
    }),
  );

  it.effect("gives up a client that does not ask", () =>
    Effect.gen(function* () {
      const server = yield* serverOf();
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
      const server = yield* serverOf();
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
