import { isIPv4, isIPv6 } from "node:net";
import { assert, describe, it } from "@effect/vitest";
import * as Schema from "effect/Schema";
import { Random } from "../../../test/support/fuzz.ts";
import { randomIp } from "../fuzz/messages.ts";
import {
  addressOfReverseName,
  ipFromBytes,
  ipToBytes,
  isLegalHostName,
  parseDestination,
  parseIp,
  reverseName,
} from "../src/index.ts";
import { hex, unencodable } from "./support.ts";

describe("addresses as text", () => {
  // Recommendations of RFC 5952, section 4, and addresses of section 5 with an IPv4 part.
  it.each([
    ["2001:0db8::0001", "2001:db8::1"],
    ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:DB8:AAAA::", "2001:db8:aaaa::"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["::ffff:c000:0201", "::ffff:192.0.2.1"],
    ["::192.0.2.1", "::c000:201"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
    ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
    ["127.0.0.1", "127.0.0.1"],
  ])("%s is %s", (text, canonical) => assert.strictEqual(parseIp(text)?.address, canonical));

  it.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.0x4",
    "1.2.3. 4",
    "1.2.3.-4",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "1::2::3",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    "12345::",
    "g::",
    "::1.2.3",
    "1.2.3.4::",
    "1:2:3:4:5:6:7:1.2.3.4",
    "fe80::1%eth0",
    "[::1]",
    " ::1",
  ])("%j is none", (text) => {
    assert.isUndefined(parseIp(text));
    assert.isUndefined(ipToBytes(text));
  });

  it("bytes of other lengths are none", () => {
    for (const length of [0, 3, 5, 15, 17]) assert.isUndefined(ipFromBytes(Buffer.alloc(length)));
    assert.deepStrictEqual(ipFromBytes(hex("7f000001")), { family: 4, address: "127.0.0.1" });
  });

  it.prop("agrees with the platform on every text, and comes back to its bytes", { seed: Schema.Int }, ({ seed }) => {
    const ip = randomIp(new Random(seed));
    assert.isTrue(ip.family === 4 ? isIPv4(ip.address) : isIPv6(ip.address));
    assert.deepStrictEqual(parseIp(ip.address), ip);
    const text = [...ip.address];
    text.splice(seed % text.length, 1);
    const shorter = text.join("");
    assert.strictEqual(parseIp(shorter) !== undefined, isIPv4(shorter) || isIPv6(shorter), shorter);
  });
});

describe("destinations", () => {
  // Texts of test_address in Arti's crates/tor-cell/tests/test_relaycell.rs that it takes for names, or refuses.
  it("an address that is none may still be a name, if its characters are those of names", () => {
    for (const name of ["1.2.3.372", "0x23.42.42.42", "0x7f000001", "10.0.23", "www.torproject.org"]) {
      assert.deepStrictEqual(parseDestination(name), { family: "name", address: name });
    }
    for (const other of ["2e3:4::10.0.23", "4242::9::5", "", "a".repeat(256), "\u{1f44d}", "aaa\0aaa"]) {
      assert.isUndefined(parseDestination(other));
    }
    assert.isTrue(isLegalHostName("a".repeat(255)));
  });
});

describe("reverse names", () => {
  it.each([
    ["127.0.0.1", "1.0.0.127.in-addr.arpa"],
    ["2001::", "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.2.ip6.arpa"],
  ])("of %s is %s", (text, name) => {
    const ip = parseIp(text)!;
    assert.strictEqual(reverseName(ip), name);
    assert.deepStrictEqual(addressOfReverseName(name), ip);
    assert.deepStrictEqual(addressOfReverseName(name.toUpperCase()), ip);
  });

  it("other names are of no address", () => {
    const names = [
      "example.com",
      "1.0.0.in-addr.arpa",
      "256.0.0.127.in-addr.arpa",
      "::1.in-addr.arpa",
      ".in-addr.arpa",
      "in-addr.arpa",
      "1.0.0.2.ip6.arpa",
      `${"0.".repeat(31)}g.ip6.arpa`,
      `${"0.".repeat(32)}0.ip6.arpa`,
    ];
    for (const name of names) assert.isUndefined(addressOfReverseName(name), name);
  });

  it("what is no address has none", () => {
    unencodable(() => reverseName({ family: 4, address: "example.com" }), "RESOLVE", /"example.com" is no address/);
  });
});
