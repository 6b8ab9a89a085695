import { assert, describe, it } from "@effect/vitest";
import { ProxyNegotiation } from "../../src/proxy/negotiation.ts";
import { ascii, assertRejected, connectRequest, converse, hex, request } from "./support.ts";

const NO_AUTH = hex("05 01 00");
const PASSWORD = hex("05 01 02");

const login = (user: string, password: string): Buffer =>
  Buffer.concat([Buffer.of(1, user.length), ascii(user), Buffer.of(password.length), ascii(password)]);

const named = (command: number, name: string, port = 80): Buffer =>
  Buffer.concat([Buffer.of(5, command, 0, 3, name.length), ascii(name), Buffer.of(port >> 8, port & 0xff)]);

const failure = (code: string): Buffer => hex(`05 ${code} 00 01 00000000 0000`);

const credentials = (user: string, password: string): string =>
  connectRequest([PASSWORD, login(user, password), named(1, "a.example")]).isolation.credentials;

describe("SOCKS5", () => {
  it("connects to a name: curl 7.88.1 -x socks5h://", () => {
    const negotiation = new ProxyNegotiation();
    assert.deepStrictEqual(negotiation.receive(hex("05 02 00 01")), [{ _tag: "Reply", bytes: hex("05 00") }]);
    assert.deepStrictEqual(negotiation.receive(hex("05 01 00 03 0b 6578616d706c652e636f6d 0050")), [
      {
        _tag: "Request",
        kind: "connect",
        destination: { family: "name", address: "example.com" },
        port: 80,
        given: "name",
        family: "any",
        isolation: { protocol: "socks5", credentials: "" },
        obsoleteAuthorization: false,
        leftover: Buffer.alloc(0),
      },
    ]);
    assert.deepStrictEqual(negotiation.succeeded(), failure("00"));
    const bound = negotiation.succeeded({ family: 6, address: "2001:db8::1" }, 443);
    assert.deepStrictEqual(bound, hex("05 00 00 04 20010db8000000000000000000000001 01bb"));
  });

  it("takes a user name and a password where they are offered: curl 7.88.1 -x socks5h://user:pass@", () => {
    const negotiation = new ProxyNegotiation();
    assert.deepStrictEqual(negotiation.receive(hex("05 03 00 01 02")), [{ _tag: "Reply", bytes: hex("05 02") }]);
    assert.deepStrictEqual(negotiation.receive(hex("01 04 75736572 04 70617373")), [
      { _tag: "Reply", bytes: hex("01 00") },
    ]);
    const [asked] = negotiation.receive(hex("05 01 00 03 0b 6578616d706c652e636f6d 01bb"));
    assert.deepInclude(asked, { isolation: { protocol: "socks5", credentials: "socks 4:user4:pass" }, port: 443 });
  });

  it("keeps the sites of Tor Browser apart, which gives a site as user name and a nonce as password", () => {
    // Firefox, netwerk/socket/nsSOCKSIOLayer.cpp: one way to authenticate is offered, by whether there is a user name.
    const first = credentials("example.com", "0f0e0d0c0b0a09080706050403020100");
    assert.notStrictEqual(first, credentials("example.org", "0f0e0d0c0b0a09080706050403020100"));
    assert.notStrictEqual(first, credentials("example.com", "ff0e0d0c0b0a09080706050403020100"));
    const plain = connectRequest([NO_AUTH, hex("05 01 00 03 0b 6578616d706c652e636f6d 01bb")]);
    assert.deepStrictEqual([plain.port, plain.isolation.credentials], [443, ""]);
  });

  it("takes none where both are offered and the listener wants it so", () => {
    const { replies } = converse([hex("05 02 02 00")], { preferNoAuth: true });
    assert.strictEqual(replies, "0500");
    assert.strictEqual(converse([PASSWORD], { preferNoAuth: true }).replies, "0502");
  });

  it("connects to addresses, and says so: curl 7.88.1 -x socks5://", () => {
    const four = connectRequest([NO_AUTH, hex("05 01 00 01 7f000002 0050")]);
    assert.deepStrictEqual([four.destination, four.given], [{ family: 4, address: "127.0.0.2" }, "address"]);
    const six = connectRequest([NO_AUTH, hex("05 01 00 04 20010db8000000000000000000000001 0051")]);
    assert.deepStrictEqual([six.destination, six.port], [{ family: 6, address: "2001:db8::1" }, 81]);
    // Whoever gives a name cannot have looked it up, even if it is one.
    const text = connectRequest([NO_AUTH, named(1, "[2001:db8::1]")]);
    assert.deepStrictEqual([text.destination, text.given], [{ family: 6, address: "2001:db8::1" }, "name"]);
  });

  it("resolves a name: tor-resolve", () => {
    const { negotiation, asked } = request([NO_AUTH, hex("05 f0 00 03 0b 6578616d706c652e636f6d 0000")]);
    assert.strictEqual(asked.kind, "resolve");
    assert.deepStrictEqual(
      negotiation.succeeded({ family: 4, address: "192.0.2.1" }),
      hex("05 00 00 01 c0000201 0000"),
    );
    assert.deepStrictEqual(negotiation.failed("no-answer"), failure("04"));
  });

  it("looks up the name of an address: tor-resolve -x", () => {
    const { negotiation, asked } = request([NO_AUTH, hex("05 f1 00 01 c0000207 0000")]);
    assert.deepInclude(asked, { kind: "resolvePtr", destination: { family: 4, address: "192.0.2.7" } });
    const told = negotiation.succeeded({ family: "name", address: "a.example" });
    assert.deepStrictEqual(told, Buffer.concat([hex("05 00 00 03 09"), ascii("a.example"), hex("0000")]));
    assert.deepStrictEqual(negotiation.succeeded({ family: "name", address: "a".repeat(256) }), failure("04"));
    const six = request([NO_AUTH, hex("05 f1 00 04 20010db8000000000000000000000007 0000")]);
    assert.deepStrictEqual(six.asked.destination, { family: 6, address: "2001:db8::7" });
    assert.strictEqual(request([NO_AUTH, named(0xf1, "192.0.2.7", 0)]).asked.kind, "resolvePtr");
  });

  it("answers RESOLVE of an address with the address, as tor 0.4.9.11", () => {
    const { last } = converse([NO_AUTH, hex("05 f0 00 01 01020304 0000")]);
    assert.deepStrictEqual(last, { _tag: "Answered", bytes: hex("05 00 00 01 01020304 0000") });
  });

  it("reads messages that come all at once, and hands on what is behind them", () => {
    const all = Buffer.concat([PASSWORD, login("u", "p"), named(1, "a.example"), ascii("hello")]);
    const { replies, rest } = converse([all]);
    assert.strictEqual(replies, "05020100");
    assert.strictEqual(rest, "hello");
  });

  it("takes a user name and a password that it did not ask for (socks-extensions), once", () => {
    const { replies, last } = converse([NO_AUTH, login("", ""), named(1, "a.example")]);
    assert.strictEqual(replies, "05000100");
    assert.deepInclude(last, { kind: "connect", isolation: { protocol: "socks5", credentials: "" } });
    assertRejected([NO_AUTH, login("", ""), login("", "")], "version", 6, failure("01"));
  });

  it("tells user names and passwords apart, and takes empty ones for none", () => {
    const keys = [
      credentials("a", ""),
      credentials("", "a"),
      credentials("ab", "c"),
      credentials("a", "bc"),
      credentials("<torS0X>0", ""),
      credentials("<torS0X>0", "a"),
      credentials("", ""),
    ];
    assert.strictEqual(new Set(keys).size, keys.length);
    assert.strictEqual(keys.at(-1), "");
    assert.strictEqual(credentials("a", "b"), credentials("a", "b"));
  });

  it("refuses extended parameters that it does not know (proposal 351)", () => {
    const mark = ascii("<torS0X>").length;
    const refused = (user: string) => [PASSWORD, login(user, "p")];
    assertRejected(refused("<torS0X>"), "credentials", 3 + 2 + mark, hex("01 01"));
    assertRejected(refused("<torS0X>2"), "credentials", 3 + 2 + mark, hex("01 01"));
    assertRejected(refused("<torS0X>0x"), "credentials", 3 + 2 + mark + 1, hex("01 01"));
    assertRejected(refused("<torS0X>1object"), "rpc", 3 + 2 + mark, hex("01 01"));
  });

  it("refuses ways to authenticate that it does not know", () => {
    assertRejected([hex("05 01 01")], "methods", 1, hex("05 ff"));
    assertRejected([hex("05 00")], "methods", 1, hex("05 ff"));
  });

  it("refuses another version inside", () => {
    assertRejected([NO_AUTH, hex("04")], "version", 3, failure("01"));
    assertRejected([PASSWORD, hex("05")], "version", 3, hex("01 01"));
  });

  it("refuses BIND, UDP ASSOCIATE, and commands that nobody knows: 07", () => {
    for (const command of [0, 2, 3, 0xf2])
      assertRejected([NO_AUTH, named(command, "a.example")], "command", 4, failure("07"));
  });

  it("refuses types of address that it does not know: 08", () => {
    for (const type of ["00", "02", "05"])
      assertRejected([NO_AUTH, hex(`05 01 00 ${type}`)], "address-type", 6, failure("08"));
  });

  it("refuses to look up the name of a name: 08, as tor 0.4.9.11", () => {
    assertRejected([NO_AUTH, named(0xf1, "foo.test")], "not-an-address", 8, failure("08"));
  });

  it("refuses a byte that is reserved", () => {
    assertRejected([NO_AUTH, hex("05 01 07 01 01020304 0050")], "reserved", 5, failure("01"));
  });

  it("refuses destinations that are none", () => {
    assertRejected([NO_AUTH, named(1, "")], "empty", 8, failure("01"));
    assertRejected([NO_AUTH, named(1, "foo%test")], "characters", 11, failure("01"));
    assertRejected([NO_AUTH, named(1, "[::1%1]")], "characters", 8, failure("01"));
    assertRejected([NO_AUTH, named(1, "a.example", 0)], "port", 17, failure("01"));
    assertRejected([NO_AUTH, named(1, "a.node.exit")], "exit", 15, failure("02"));
  });

  it("refuses onion services with Tor's own codes, or with one that all know", () => {
    const onion = "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion";
    assertRejected([NO_AUTH, named(1, "foo.onion")], "onion-address", 8, failure("f6"));
    assertRejected([NO_AUTH, named(1, onion)], "onion", 8 + 57, failure("f0"));
    assertRejected([NO_AUTH, named(0xf0, onion)], "onion", 8 + 57, failure("f0"));
    const { last } = converse([NO_AUTH, named(1, onion)], { extendedErrors: false });
    assert.deepInclude(last, { bytes: failure("04") });
  });

  it("holds the longest of its messages, which are bounded by their lengths", () => {
    const methods = Buffer.concat([hex("05 ff"), Buffer.alloc(254, 3), hex("00")]);
    const name = `${"a".repeat(63)}.`.repeat(3) + "b".repeat(61);
    const long = connectRequest([methods, login("u".repeat(255), "p".repeat(255)), named(1, name)]);
    assert.strictEqual(long.destination.address, name);
    assert.strictEqual(long.isolation.credentials, `socks 255:${"u".repeat(255)}255:${"p".repeat(255)}`);
  });
});
