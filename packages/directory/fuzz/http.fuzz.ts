import assert from "node:assert/strict";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { BodyError, decodeBody } from "../src/http/body.ts";
import { HttpError } from "../src/http/head.ts";
import { RequestReader } from "../src/http/request.ts";
import { ResponseReader } from "../src/http/response.ts";
import { DescriptorStore } from "../src/mirror/descriptor-store.ts";
import type { ServedConsensus } from "../src/mirror/served-consensus.ts";
import { answerTo } from "../src/server/answer.ts";
import { emptySnapshot } from "../src/view.ts";

/** What came of a run, comparable: a value, or one of the package's own errors. */
const outcome = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    if (error instanceof HttpError || error instanceof BodyError) return `${error._tag} ${error.problem}`;
    throw error;
  }
};

/** The bytes cut into pieces at random places. */
const pieces = (random: Random, bytes: Buffer): ReadonlyArray<Buffer> => {
  const out: Array<Buffer> = [];
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + random.below(random.pick([1, 5, 50, 500])));
    out.push(bytes.subarray(at, end));
    at = end;
  }
  return out;
};

const responses = [
  "HTTP/1.0 200 OK\r\nDate: Sat, 21 Nov 2026 10:45:33 GMT\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello, world",
  "HTTP/1.0 200 OK\r\nContent-Encoding: deflate\r\n\r\nhello",
  "HTTP/1.1 404 Not found\r\n\r\n",
  "HTTP/1.0 400 Rejected: Your clock is set too far in the future.\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
];

const requests = [
  "GET /tor/status-vote/current/consensus-microdesc/6304D4+B73382.z HTTP/1.0\r\nIf-Modified-Since: Sat, 21 Nov 2026 10:45:33 GMT\r\nAccept-Encoding: deflate, x-zstd;q=0\r\n\r\n",
  "GET /tor/micro/d/XyUBgwWKvCh41Jb1WTBbDfDsDjH3FDCyuAIGm9T5ACM-LeTEFArYcH2HnGWHVVz9Cj0/qgdCRQSygR/jM1xQlOE HTTP/1.0\r\n\r\n",
  "GET /tor/keys/fp-sk/6304D4E8DC54E9CB0231DA017A91C2B07C7B91B4-F50263F7D17926E094D53A8C13A624C5F50263F7 HTTP/1.0\r\n\r\n",
  "GET /tor/server/fp/6304D4E8DC54E9CB0231DA017A91C2B07C7B91B4+F50263F7D17926E094D53A8C13A624C5F50263F7.z HTTP/1.0\r\n\r\n",
  "GET /tor/server/all HTTP/1.0\r\n\r\n",
  "GET /tor/extra/d/6304D4E8DC54E9CB0231DA017A91C2B07C7B91B4 HTTP/1.0\r\n\r\n",
  "GET /tor/keys/all HTTP/1.0\r\nAccept-Encoding: gzip, identity\r\n\r\n",
  `GET /tor/status-vote/current/consensus/diff/${"A1".repeat(32)}/6304D4+F50263 HTTP/1.0\r\n\r\n`,
  `GET /tor/status-vote/current/consensus HTTP/1.0\r\nX-Or-Diff-From-Consensus: ${"A1".repeat(32)}, ${"B2".repeat(32)}\r\n\r\n`,
  "POST /tor/ HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
];

/** A consensus to be asked for, of this time, with one diff to it. */
const CONSENSUS = {
  lifetime: { validAfter: -1000, freshUntil: 1000, validUntil: 2000 },
  signedDigest: "B2".repeat(32),
  signers: ["6304D4E8DC54E9CB0231DA017A91C2B07C7B91B4"],
  hasDiff: (digest: string) => digest === "A1".repeat(32),
} as unknown as ServedConsensus;

const limits = { headBytes: 300, bodyBytes: 64 };

const readResponse = (parts: ReadonlyArray<Buffer>): unknown => {
  const reader = new ResponseReader(limits);
  for (const part of parts) {
    const response = reader.push(part);
    if (response !== undefined) return response;
  }
  return reader.end();
};

const readRequest = (parts: ReadonlyArray<Buffer>): unknown => {
  const reader = new RequestReader(400);
  for (const part of parts) {
    const request = reader.push(part);
    if (request !== undefined) return request;
  }
  return "unfinished";
};

const input = (random: Random, samples: ReadonlyArray<string>): Buffer =>
  random.oneIn(10) ? random.bytes(random.below(500)) : random.mutate(Buffer.from(random.pick(samples), "latin1"));

const packers = { deflate: deflateSync, gzip: gzipSync, "x-zstd": zstdCompressSync };

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "directory/http-response",
    run: (random) => {
      const bytes = input(random, responses);
      const whole = outcome(() => readResponse([bytes]));
      assert.deepEqual(
        outcome(() => readResponse(pieces(random, bytes))),
        whole,
        "reads something else in pieces",
      );
      if (typeof whole === "object" && whole !== null && "body" in whole)
        assert((whole.body as Buffer).length <= limits.bodyBytes, "a body above the limit");
    },
  },
  {
    name: "directory/http-request",
    run: (random) => {
      const bytes = input(random, requests);
      const whole = outcome(() => readRequest([bytes]));
      assert.deepEqual(
        outcome(() => readRequest(pieces(random, bytes))),
        whole,
        "reads something else in pieces",
      );
      if (typeof whole !== "object" || whole === null) return;
      const hasConsensus = random.oneIn(2);
      const served = {
        snapshot: emptySnapshot,
        consensus: (flavor: string) => (hasConsensus && flavor === "ns" ? CONSENSUS : undefined),
        descriptors: new DescriptorStore({ extraInfo: true }),
        own: undefined,
      };
      const answer = answerTo(whole as Parameters<typeof answerTo>[0], served, 0);
      if (answer._tag === "Consensus") {
        assert(hasConsensus, "answers with what is not there");
        assert(
          answer.diffFrom.every((digest) => CONSENSUS.hasDiff(digest)),
          "a diff that there is not",
        );
      } else if (answer._tag === "Documents") assert(answer.parts.length === 1, "answers with what is not there");
      else assert([400, 404, ...(hasConsensus ? [304] : [])].includes(answer.status), "an answer that there is not");
    },
  },
  {
    name: "directory/http-body",
    run: (random) => {
      const encoding = random.pick(["deflate", "gzip", "x-zstd"] as const);
      const text = Buffer.from(random.pick(responses).repeat(1 + random.below(20)));
      const packed = packers[encoding](text);
      const body = random.oneIn(3) ? Buffer.concat([packed, packers[encoding](text)]) : packed;
      const limit = random.below(3000);
      const decoded = outcome(() => decodeBody(encoding, random.oneIn(2) ? body : random.mutate(body), limit));
      if (Buffer.isBuffer(decoded)) assert(decoded.length <= limit, "a body above the limit");
    },
  },
];
