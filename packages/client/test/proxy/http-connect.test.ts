import { assert, describe, it } from "@effect/vitest";
import { ProxyNegotiation } from "../../src/proxy/negotiation.ts";
import { ascii, assertRejected, connectRequest, converse, request } from "./support.ts";

const CURL =
  "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nUser-Agent: curl/7.88.1\r\nProxy-Connection: Keep-Alive\r\n\r\n";

const connect = (target: string, ...fields: ReadonlyArray<string>): Buffer =>
  ascii([`CONNECT ${target} HTTP/1.1`, ...fields, "", ""].join("\r\n"));

/** What whoever sent this reads: status line, fields in lower case, body. */
const answer = (sent: string | Buffer) => {
  const [last] = new ProxyNegotiation().receive(Buffer.from(sent));
  if (last?._tag !== "Rejected" && last?._tag !== "Answered") assert.fail(last?._tag ?? "nothing");
  return read(last.bytes);
};

const read = (bytes: Buffer) => {
  const text = bytes.toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  const [status = "", ...lines] = text.slice(0, end).split("\r\n");
  const fields = Object.fromEntries(lines.map((line) => line.toLowerCase().split(": ", 2)));
  return { status, fields: fields as Record<string, string | undefined>, body: text.slice(end + 4) };
};

const credentials = (...fields: ReadonlyArray<string>): string =>
  connectRequest([connect("a.example:80", ...fields)]).isolation.credentials;

describe("HTTP CONNECT", () => {
  it("opens a tunnel: curl 7.88.1 -x http:// https://", () => {
    const { negotiation, asked } = request([ascii(CURL)]);
    assert.deepStrictEqual(asked, {
      _tag: "Request",
      kind: "connect",
      destination: { family: "name", address: "example.com" },
      port: 443,
      given: "name",
      family: "any",
      isolation: { protocol: "http-connect", credentials: "" },
      obsoleteAuthorization: false,
      leftover: Buffer.alloc(0),
    });
    const { status, fields, body } = read(negotiation.succeeded());
    assert.strictEqual(status, "HTTP/1.0 200 OK");
    assert.deepStrictEqual(Object.keys(fields), ["tor-capabilities", "via"]);
    assert.strictEqual(body, "");
  });

  it("tells why it does not, for programs and for people", () => {
    const { negotiation } = request([ascii(CURL)]);
    const { status, fields, body } = read(negotiation.failed({ end: 7 }));
    assert.strictEqual(status, "HTTP/1.0 504 Gateway Timeout");
    // As tor 0.4.9.11, but for the body.
    assert.strictEqual(fields["tor-request-failed"], "end/timeout");
    assert.strictEqual(fields["via"], "tor/1.0 tor-network (allium)");
    assert.strictEqual(fields["content-length"], String(body.length));
    assert.strictEqual(read(negotiation.failed("no-guard")).fields["tor-request-failed"], "allium/no-guard");
  });

  it("takes IPv6 in brackets, isolation and a user name and password: curl 7.88.1 --proxy-header", () => {
    const asked = connectRequest([
      connect(
        "[2001:db8::1]:443",
        "Host: [2001:db8::1]:443",
        "Proxy-Authorization: Basic dG9yOnNlc2FtZQ==",
        "User-Agent: curl/7.88.1",
        "Proxy-Connection: Keep-Alive",
        "Tor-Stream-Isolation: 42",
      ),
    ]);
    assert.deepStrictEqual([asked.destination, asked.given], [{ family: 6, address: "2001:db8::1" }, "address"]);
    assert.strictEqual(asked.isolation.credentials, "http 10:tor:sesame0:2:42");
    assert.isFalse(asked.obsoleteAuthorization);
  });

  it("keeps apart by each of three fields", () => {
    const keys = [
      credentials(),
      credentials("Proxy-Authorization: Basic dG9yOjE="),
      credentials("Proxy-Authorization: Basic dG9yOjI="),
      credentials("X-Tor-Stream-Isolation: 1"),
      credentials("Tor-Stream-Isolation: 1"),
      credentials("Tor-Stream-Isolation: 1", "X-Tor-Stream-Isolation: 1"),
    ];
    assert.strictEqual(new Set(keys).size, keys.length);
    assert.strictEqual(keys[0], "");
    assert.strictEqual(credentials("Tor-Stream-Isolation:"), "");
  });

  it("says when the authorization is not of the new form, and keeps apart by it all the same", () => {
    const asked = (value: string) => connectRequest([connect("a.example:80", `Proxy-Authorization: ${value}`)]);
    for (const value of ["Basic dXNlcjpwYXNz", "Basic ====", "Bearer abc", "anything"]) {
      assert.isTrue(asked(value).obsoleteAuthorization, value);
      assert.notStrictEqual(asked(value).isolation.credentials, "", value);
    }
    assert.isFalse(asked("basic dG9yLWlzbzo=").obsoleteAuthorization);
  });

  it("takes a preference for a family of addresses", () => {
    const family = (value: string) =>
      connectRequest([connect("a.example:80", `Tor-Family-Preference: ${value}`)]).family;
    for (const value of ["ipv4-only", "ipv6-only", "ipv4-preferred", "ipv6-preferred"])
      assert.strictEqual(family(value), value);
    assertRejected([connect("a.example:80", "Tor-Family-Preference: ipv5")], "header", 31);
  });

  it("hands on what comes behind the head", () => {
    assert.deepStrictEqual(
      request([Buffer.concat([ascii(CURL), ascii("\x16\x03\x01")])]).asked.leftover,
      ascii("\x16\x03\x01"),
    );
  });

  it("answers OPTIONS with what it can do, to this computer only: as tor 0.4.9.11", () => {
    for (const target of ["*", "example.com:80"]) {
      const { status, fields, body } = answer(`OPTIONS ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      assert.strictEqual(status, "HTTP/1.0 200 OK");
      assert.strictEqual(fields["allow"], "options, connect");
      assert.strictEqual(fields["server"], "tor/1.0 (allium)");
      assert.include(fields["tor-capabilities"], "tor-stream-isolation");
      assert.strictEqual(body, "");
    }
    assertRejected([ascii("OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n")], "foreign-host", 20, Buffer.alloc(0));
  });

  it("shows a page to who takes it for a web server", () => {
    for (const host of ["localhost", "LOCALHOST:9150", "127.0.0.1:9150", "[::1]:9150"]) {
      const { status, fields, body } = answer(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      assert.strictEqual(status, "HTTP/1.0 405 Method Not Allowed");
      assert.strictEqual(fields["allow"], "options, connect");
      assert.include(body, "This is a proxy port of a Tor client.");
      assert.strictEqual(fields["content-length"], String(body.length));
    }
    assert.include(answer("BLAH / HTTP/1.0\r\n\r\n").body, "proxy port");
  });

  it("shows it to who takes it for another kind of proxy: curl 7.88.1 -x http:// http://", () => {
    const curl =
      "GET http://example.com/index.html HTTP/1.1\r\nHost: example.com\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nProxy-Connection: Keep-Alive\r\n\r\n";
    assert.strictEqual(answer(curl).status, "HTTP/1.0 405 Method Not Allowed");
    assertRejected([ascii(curl)], "method", 0);
  });

  it("says nothing to a web page that made a browser ask", () => {
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]", "10.0.0.1", "x]"])
      assertRejected([ascii(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)], "foreign-host", 16, Buffer.alloc(0));
    const silence = Buffer.alloc(0);
    assertRejected([ascii("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n")], "header", 33, silence);
    assertRejected([ascii("GET / HTTP/1.1\r\nno field\r\n\r\n")], "malformed", 16, silence);
    assertRejected([ascii("GET / HTTP/2.0\r\n\r\n")], "http-version", 11, silence);
    assertRejected([ascii(`GET /${"x".repeat(8192)}`)], "oversized", 8192, silence);
    assertRejected([ascii("CONNECTX\r\n\r\n")], "malformed", 0, silence);
  });

  it("refuses a head that is none, at the byte", () => {
    const status = "HTTP/1.0 400 Bad Request";
    assertRejected([ascii("CONNECT example.com:80\r\n\r\n")], "malformed", 0);
    assertRejected([connect("a.example:80", "no field")], "malformed", 31);
    assertRejected([connect("a.example:80", "Good: 1", " folded")], "malformed", 40);
    assert.strictEqual(answer("CONNECT  a.example:80 HTTP/1.1\r\n\r\n").status, status);
    assert.strictEqual(answer("CONNECT a.example:80 HTTP/1.1\nHost: a\r\n\r\n").status, status);
  });

  it("refuses another version of HTTP", () => {
    assertRejected([ascii("PRI * HTTP/2.0\r\n\r\n")], "http-version", 11);
    assert.strictEqual(
      answer("CONNECT a.example:80 HTTP/2.0\r\n\r\n").status,
      "HTTP/1.0 505 HTTP Version Not Supported",
    );
  });

  it("knows a method in capitals only, as RFC 9110 has it", () => {
    assertRejected([ascii("Connect a.example:80 HTTP/1.1\r\n\r\n")], "method", 0);
  });

  it("refuses targets that are none", () => {
    for (const target of [
      "example.com",
      "example.com:",
      "::1:80",
      "[::1]",
      "http://example.com/",
      "a:80:80",
      "example.com:123456",
    ])
      assertRejected([connect(target)], "port", 8);
    for (const port of ["0", "65536", "99999"]) assertRejected([connect(`a.example:${port}`)], "port", 18);
    assertRejected([connect(":80")], "empty", 8);
    assertRejected([connect("user@a.example:80")], "characters", 12);
    assertRejected([connect("[fe80::1%25eth0]:80")], "characters", 8);
    assertRejected([connect("[a.example]:80")], "characters", 8);
    assertRejected([connect(`${"a.".repeat(127)}a:80`)], "long", 8 + 253);
    assert.strictEqual(answer(connect("foo.onion:80")).fields["tor-request-failed"], "allium/onion-address");
    assert.strictEqual(answer(connect("a.node.exit:80")).status, "HTTP/1.0 403 Forbidden");
  });

  it("refuses fields that count and come twice", () => {
    for (const name of [
      "Proxy-Authorization",
      "X-Tor-Stream-Isolation",
      "Tor-Stream-Isolation",
      "Tor-Family-Preference",
    ]) {
      const first = `${name}: ipv4-only`;
      assertRejected(
        [connect("a.example:80", first, `${name.toUpperCase()}: ipv4-only`)],
        "header",
        31 + first.length + 2,
      );
    }
  });

  it("refuses a body, but not its absence", () => {
    assertRejected([connect("a.example:80", "Content-Length: 5")], "body", 31);
    assertRejected([connect("a.example:80", "Transfer-Encoding: chunked")], "body", 31);
    assert.strictEqual(connectRequest([connect("a.example:80", "Content-Length: 0")]).port, 80);
    for (const field of ["Content-Length: 1", "Content-Type: text/plain", "Transfer-Encoding: chunked"])
      assert.strictEqual(answer(`OPTIONS * HTTP/1.1\r\n${field}\r\n\r\n`).status, "HTTP/1.0 400 Bad Request");
    assertRejected([connect("a.example:80", "Content-Length: 5", "Content-Length: 6")], "malformed", 50);
  });

  it("says that there is no RPC: 501, as tor 0.4.9.11", () => {
    const asked = connect("a.example:80", "Tor-RPC-Target: abc");
    assertRejected([asked], "rpc", 31);
    assert.strictEqual(answer(asked).status, "HTTP/1.0 501 Not Implemented");
  });

  it("holds 8192 bytes and 64 fields, and refuses more", () => {
    const filled = (length: number) => {
      const bare = connect("a.example:80", "X: ").length;
      return connect("a.example:80", `X: ${"x".repeat(length - bare)}`);
    };
    assert.strictEqual(filled(8192).length, 8192);
    assert.strictEqual(connectRequest([filled(8192)]).port, 80);
    assertRejected([filled(8193)], "oversized", 8192);
    assertRejected([ascii(`C${"x".repeat(8192)}`)], "oversized", 8192);
    const status = "HTTP/1.0 431 Request Header Fields Too Large";
    assert.strictEqual(answer(filled(8193)).status, status);
    const fields = (count: number) => connect("a.example:80", ...Array.from({ length: count }, () => "X: 1"));
    assert.strictEqual(connectRequest([fields(64)]).port, 80);
    assertRejected([fields(65)], "oversized", 31 + 64 * 6);
  });

  it("says who answers", () => {
    const { last } = converse([ascii("OPTIONS * HTTP/1.1\r\n\r\n")], { software: "allium 0.1.0" });
    assert.include((last as { bytes: Buffer }).bytes.toString(), "Server: tor/1.0 (allium 0.1.0)\r\n");
  });
});
