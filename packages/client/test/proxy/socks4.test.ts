import { assert, describe, it } from "@effect/vitest";
import { ascii, assertRejected, connectRequest, converse, hex, request } from "./support.ts";

/** CD 91, and nothing else: as `tor` 0.4.9.11 answers. */
const REJECTED = hex("00 5b 0000 00000000");

const named = (head: string, user: string, name: string): Buffer =>
  Buffer.concat([hex(head), ascii(`${user}\0${name}\0`)]);

describe("SOCKS4", () => {
  it("connects to an address: curl 7.88.1 -x socks4://", () => {
    const { negotiation, asked } = request([hex("04 01 1f90 7f000001 00")]);
    assert.deepStrictEqual(asked, {
      _tag: "Request",
      kind: "connect",
      destination: { family: 4, address: "127.0.0.1" },
      port: 8080,
      given: "address",
      family: "ipv4-only",
      isolation: { protocol: "socks4", credentials: "" },
      obsoleteAuthorization: false,
      leftover: Buffer.alloc(0),
    });
    assert.deepStrictEqual(negotiation.succeeded(), hex("00 5a 0000 00000000"));
    assert.deepStrictEqual(negotiation.succeeded({ family: 4, address: "192.0.2.1" }, 80), hex("00 5a 0050 c0000201"));
    assert.deepStrictEqual(
      negotiation.succeeded({ family: 6, address: "2001:db8::1" }, 80),
      hex("00 5a 0000 00000000"),
    );
    assert.deepStrictEqual(negotiation.failed("timeout"), REJECTED);
  });

  it("connects to a name, with a user id: curl 7.88.1 -x socks4a://me@", () => {
    const asked = connectRequest([hex("04 01 0050 00000001 6d6500 6578616d706c652e636f6d 00")]);
    assert.deepStrictEqual(asked.destination, { family: "name", address: "example.com" });
    assert.strictEqual(asked.port, 80);
    assert.strictEqual(asked.given, "name");
    assert.deepStrictEqual(asked.isolation, { protocol: "socks4", credentials: "socks 2:me0:" });
  });

  it("resolves a name: tor-resolve -4", () => {
    const { negotiation, asked } = request([hex("04 f0 0000 00000001 00 6578616d706c652e636f6d 00")]);
    assert.strictEqual(asked.kind, "resolve");
    assert.deepStrictEqual(asked.destination, { family: "name", address: "example.com" });
    assert.deepStrictEqual(negotiation.succeeded({ family: 4, address: "192.0.2.1" }), hex("00 5a 0000 c0000201"));
    // There is no room for another kind of address.
    assert.deepStrictEqual(negotiation.succeeded({ family: 6, address: "2001:db8::1" }), REJECTED);
  });

  it("answers RESOLVE of an address with the address, as tor 0.4.9.11", () => {
    const { last } = converse([hex("04 f0 0000 01020304 00")]);
    assert.deepStrictEqual(last, { _tag: "Answered", bytes: hex("00 5a 0000 01020304") });
    const inName = converse([named("04 f0 0000 00000001", "", "1.2.3.4")]);
    assert.deepStrictEqual(inName.last, { _tag: "Answered", bytes: hex("00 5a 0000 01020304") });
  });

  it("hands on what comes behind the request", () => {
    const { asked } = request([Buffer.concat([hex("04 01 0050 01020304 00"), ascii("GET /")])]);
    assert.deepStrictEqual(asked.leftover, ascii("GET /"));
  });

  it("takes 0.0.0.1 to 0.0.0.255 for the announcement of a name, and 0.0.0.0 for none", () => {
    assert.strictEqual(connectRequest([named("04 01 0050 000000ff", "", "a.example")]).given, "name");
    assert.strictEqual(connectRequest([hex("04 01 0050 00000100 00")]).destination.address, "0.0.1.0");
    assertRejected([hex("04 01 0050 00000000 00")], "empty", 4, REJECTED);
  });

  it("refuses BIND, and commands that nobody knows", () => {
    for (const command of ["00", "02", "f1"])
      assertRejected([named(`04 ${command} 0050 00000001`, "", "a.example")], "command", 1, REJECTED);
  });

  it("refuses port 0, but not to a RESOLVE", () => {
    assertRejected([named("04 01 0000 00000001", "", "a.example")], "port", 2, REJECTED);
  });

  it("refuses names that are none, at the byte", () => {
    assertRejected([named("04 01 0050 00000001", "me", "")], "empty", 11, REJECTED);
    assertRejected([named("04 01 0050 00000001", "me", "a b.example")], "characters", 12, REJECTED);
    assertRejected([named("04 01 0050 00000001", "", "foo.onion")], "onion-address", 9, REJECTED);
    assertRejected([named("04 01 0050 00000001", "", "a.node.exit")], "exit", 16, REJECTED);
  });

  it("holds 512 bytes, and refuses what is longer", () => {
    const full = named("04 01 0050 01020304", "u".repeat(503), "").subarray(0, 512);
    assert.strictEqual(connectRequest([full]).isolation.credentials, `socks 503:${"u".repeat(503)}0:`);
    const user = named("04 01 0050 01020304", "u".repeat(504), "");
    assertRejected([user], "oversized", 512, REJECTED);
    assertRejected([user.subarray(0, 511), user.subarray(511)], "oversized", 512, REJECTED);
    assertRejected([named("04 01 0050 00000001", "", "a".repeat(600))], "oversized", 512, REJECTED);
  });
});
