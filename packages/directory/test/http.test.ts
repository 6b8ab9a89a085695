import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { assert, describe, it } from "@effect/vitest";
import { BodyError, decodeBody } from "../src/http/body.ts";
import { chooseEncoding } from "../src/http/encoding.ts";
import { HeadReader, HttpError } from "../src/http/head.ts";
import { RequestReader } from "../src/http/request.ts";
import { type HttpResponse, ResponseReader } from "../src/http/response.ts";

const limits = { headBytes: 200, bodyBytes: 20 };

/** What a reader makes of a text that comes in pieces of a size, and then ends. */
const readResponse = (text: string, pieceBytes = text.length): HttpResponse => {
  const reader = new ResponseReader(limits);
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const response = reader.push(bytes.subarray(at, at + pieceBytes));
    if (response !== undefined) return response;
  }
  return reader.end();
};

/** Asserts that something is refused, with this problem and message. */
const refuses = (run: () => unknown, told: string | RegExp): void => {
  try {
    run();
  } catch (error) {
    if (!(error instanceof HttpError || error instanceof BodyError)) throw error;
    const problem = `${error.problem}: ${error.message}`;
    if (typeof told === "string") assert.strictEqual(problem, told);
    else assert.match(problem, told);
    return;
  }
  assert.fail(`nothing was wrong, where it should be said: ${told}`);
};

describe("ResponseReader", () => {
  for (const pieceBytes of [1, 7, 1000]) {
    it(`reads an answer with a length that comes in pieces of ${pieceBytes} bytes`, () => {
      const response = readResponse("HTTP/1.0 200 OK\r\nContent-length:  5 \r\n\r\nhello, and no more", pieceBytes);
      assert.strictEqual(response.status, 200);
      assert.strictEqual(response.reason, "OK");
      assert.strictEqual(response.body.toString(), "hello");
    });

    it(`reads an answer that ends with its connection, in pieces of ${pieceBytes} bytes`, () => {
      const response = readResponse("HTTP/1.1 404\r\nX-A: b\r\nX-A: c\r\n\r\nhello", pieceBytes);
      assert.strictEqual(response.status, 404);
      assert.strictEqual(response.reason, "");
      assert.strictEqual(response.headers.get("x-a"), "b");
      assert.strictEqual(response.body.toString(), "hello");
    });
  }

  it("knows an answer that was cut off", () => {
    refuses(
      () => readResponse("HTTP/1.0 200 OK\r\nA: b\r\n"),
      "malformed: ended after 23 bytes, in the middle of its head",
    );
    refuses(
      () => readResponse("HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
      "malformed: ended after 5 of 9 bytes",
    );
  });

  it("refuses what is larger than allowed, before it has come", () => {
    refuses(
      () => readResponse(`HTTP/1.0 200 OK\r\nA: ${"b".repeat(200)}`),
      "too-large: the head is longer than 200 bytes",
    );
    refuses(
      () => readResponse(`HTTP/1.0 200 OK\r\nA: ${"b".repeat(200)}\r\n\r\n`),
      "too-large: the head is longer than 200 bytes",
    );
    refuses(
      () => readResponse("HTTP/1.0 200 OK\r\nContent-Length: 21\r\n\r\n"),
      "too-large: announces 21 bytes, of which 20 may come",
    );
    refuses(() => readResponse(`HTTP/1.0 200 OK\r\n\r\n${"b".repeat(21)}`), "too-large: is longer than 20 bytes");
  });

  it("refuses what is no HTTP/1.0, or could be read in two ways", () => {
    refuses(() => readResponse("SSH-2.0-\x07\r\n\r\n"), 'malformed: "SSH-2.0-?" is no status line');
    refuses(() => readResponse("HTTP/1.0 200 OK\r\n folded\r\n\r\n"), 'malformed: " folded" is no header field');
    refuses(
      () => readResponse("HTTP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n"),
      'malformed: "-1" is no Content-Length',
    );
    refuses(
      () => readResponse("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
      "malformed: there are two different Content-Length fields",
    );
    refuses(
      () => readResponse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
      "malformed: has a transfer encoding, which HTTP/1.0 does not know",
    );
  });
});

describe("HeadReader", () => {
  const read = (text: string, fieldLimit?: number) => new HeadReader(200, fieldLimit).push(Buffer.from(text, "latin1"));

  it("says where fields begin, and which came again", () => {
    const head = read("GET / HTTP/1.0\r\nA: b\r\nC: d\r\na: e\r\n\r\nrest");
    assert.deepStrictEqual([...(head?.offsets ?? [])], Object.entries({ a: 16, c: 22 }));
    assert.deepStrictEqual([...(head?.repeated ?? [])], [["a", 28]]);
    assert.strictEqual(head?.headers.get("a"), "b");
    assert.strictEqual(head?.rest.toString(), "rest");
  });

  it("says at which byte a head is wrong", () => {
    const offset = (text: string, fieldLimit?: number): number => {
      try {
        read(text, fieldLimit);
      } catch (error) {
        if (error instanceof HttpError) return error.offset;
        throw error;
      }
      assert.fail("nothing was wrong");
    };
    assert.strictEqual(offset("GET / HTTP/1.0\r\nA: b\r\nC\r\n\r\n"), 22);
    assert.strictEqual(offset("x".repeat(201)), 200);
    assert.strictEqual(offset("GET / HTTP/1.0\r\nA: b\r\nC: d\r\n\r\n", 1), 22);
    assert.isDefined(read("GET / HTTP/1.0\r\nA: b\r\nC: d\r\n\r\n", 2));
  });
});

describe("RequestReader", () => {
  const read = (text: string) => new RequestReader(100).push(Buffer.from(text, "latin1"));

  it("reads a request as tor sends it", () => {
    const request = read("GET /tor/keys/all.z HTTP/1.0\r\nHost: 10.0.0.1\r\nAccept-Encoding: deflate, x-zstd\r\n\r\n");
    assert.strictEqual(request?.method, "GET");
    assert.strictEqual(request?.target, "/tor/keys/all.z");
    assert.strictEqual(request?.headers.get("host"), "10.0.0.1");
  });

  it("waits for the end of a request, and refuses one that is too long or is none", () => {
    assert.strictEqual(read("GET /tor/ HTTP/1.0\r\n"), undefined);
    refuses(() => read(`GET /${"a".repeat(100)}`), "too-large: the head is longer than 100 bytes");
    refuses(() => read("GET /tor/\r\n\r\n"), 'malformed: "GET /tor/" is no request');
    refuses(() => read("GET tor HTTP/1.0\r\n\r\n"), 'malformed: "GET tor HTTP/1.0" is no request');
  });

  it("takes the path of a target that names a server too, as proxies do", () => {
    assert.strictEqual(read("GET http://192.0.2.1:80/tor/keys/all HTTP/1.0\r\n\r\n")?.target, "/tor/keys/all");
    refuses(
      () => read("GET http://192.0.2.1 HTTP/1.0\r\n\r\n"),
      'malformed: "GET http://192.0.2.1 HTTP/1.0" is no request',
    );
  });

  it("chooses the best encoding that a client takes", () => {
    const choose = (field: string, suffix = false) => chooseEncoding(new Map([["accept-encoding", field]]), suffix);
    assert.strictEqual(chooseEncoding(new Map(), false), "identity");
    assert.strictEqual(chooseEncoding(new Map(), true), "deflate");
    assert.strictEqual(choose("identity"), "identity");
    assert.strictEqual(choose("br, x-tor-lzma"), "identity");
    assert.strictEqual(choose("gzip, Deflate;q=0.5"), "deflate");
    assert.strictEqual(choose("deflate; q=0, gzip"), "gzip");
    assert.strictEqual(choose("deflate, gzip, x-zstd, x-tor-lzma"), "x-zstd");
    assert.strictEqual(choose("gzip", true), "deflate");
  });
});

describe("decodeBody", () => {
  const text = "a consensus is what authorities agree on, again and again and again";
  const pack = { identity: Buffer.from, deflate: deflateSync, gzip: gzipSync, "x-zstd": zstdCompressSync };

  for (const [encoding, run] of Object.entries(pack)) {
    it(`unpacks ${encoding}`, () => {
      assert.strictEqual(decodeBody(encoding, run(text) as Buffer, text.length).toString(), text);
    });

    it(`stops ${encoding} at the limit`, () => {
      const body = run(text.repeat(100)) as Buffer;
      refuses(() => decodeBody(encoding, body, 6000), /^too-large: /);
    });
  }

  it("takes packed documents one after the other for one", () => {
    const twice = Buffer.concat([deflateSync("one "), deflateSync("two")]);
    assert.strictEqual(decodeBody("deflate", twice, 7).toString(), "one two");
    refuses(() => decodeBody("deflate", twice, 6), "too-large: unpacks to more than 6 bytes");
    refuses(() => decodeBody("deflate", twice, 4), "too-large: unpacks to more than 4 bytes");
  });

  it("refuses what does not unpack, or only in very many steps", () => {
    for (const encoding of ["deflate", "gzip", "x-zstd"])
      refuses(() => decodeBody(encoding, Buffer.from("plain"), 100), `encoding: cannot be unpacked as ${encoding}`);
    refuses(
      () => decodeBody("deflate", deflateSync(text).subarray(0, 20), 100),
      "encoding: cannot be unpacked as deflate",
    );
    refuses(() => decodeBody("br", Buffer.from("plain"), 100), 'encoding: has the unknown encoding "br"');
    refuses(
      () => decodeBody("constructor", Buffer.from("plain"), 100),
      'encoding: has the unknown encoding "constructor"',
    );
    const many = Buffer.concat(Array.from({ length: 200 }, () => deflateSync("")));
    refuses(() => decodeBody("deflate", many, 100), "encoding: has more than 128 compressed parts");
  });
});
