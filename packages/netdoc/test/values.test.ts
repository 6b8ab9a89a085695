import {
  addressAndPort,
  decodeBase64,
  decodeHex,
  encodeBase64,
  encodeHex,
  fingerprint,
  formatAddressAndPort,
  NetParams,
  Protocols,
} from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random } from "../../../test/support/fuzz.ts";
import { familyMember, fingerprintBytes, nickname, spacedFingerprint } from "../src/values/fingerprint.ts";
import { int32, integer, keyValue } from "../src/values/numbers.ts";
import { formatTime, parseTime } from "../src/values/time.ts";

describe("base64", () => {
  it("is read with its padding or without", () => {
    for (const text of ["", "AA==", "AA", "AAA=", "AAA", "AAAA", "/+8="]) {
      assert.deepStrictEqual(decodeBase64(text), Buffer.from(text, "base64"), text);
    }
  });

  it("has one spelling for each value, and no other characters", () => {
    for (const text of ["A", "AAAAA", "AA=", "AAA==", "AAAA=", "=", "AB", "AAB", "A A=", "A-A=", "AA\n", "AA=A", "é"]) {
      assert.strictEqual(decodeBase64(text), undefined, text);
    }
  });

  it.prop("comes back from its bytes", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const bytes = random.bytes(random.below(70));
    assert.deepStrictEqual(decodeBase64(encodeBase64(bytes)), bytes);
    assert.deepStrictEqual(decodeBase64(bytes.toString("base64")), bytes);
    assert.deepStrictEqual(decodeHex(encodeHex(bytes)), bytes);
  });
});

describe("names", () => {
  it("of relays are 40 digits in upper case", () => {
    const name = "0123456789ABCDEF0123456789ABCDEF01234567";
    assert.strictEqual(fingerprint(name.toLowerCase()), name);
    assert.strictEqual(fingerprint(name.slice(1)), undefined);
    assert.strictEqual(fingerprint(`${name.slice(1)}G`), undefined);
    assert.strictEqual(fingerprintBytes(name).toString("hex"), name.toLowerCase());
    assert.strictEqual(spacedFingerprint(name), "0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567");
  });

  it("of humans are letters and digits", () => {
    assert.strictEqual(nickname("abcdefghijklmnopqr9"), "abcdefghijklmnopqr9");
    for (const text of ["", "abcdefghijklmnopqr90", "a-b", "é"]) assert.strictEqual(nickname(text), undefined, text);
  });

  it("of families are either, with a mark", () => {
    const id = `$${"a".repeat(40)}`;
    for (const text of ["nick", id, `${id}=nick`, `${id}~nick`]) assert.strictEqual(familyMember(text), text);
    for (const text of ["", "$nick", `${id}1`, `${id}=`, id.slice(1)])
      assert.strictEqual(familyMember(text), undefined, text);
  });
});

describe("numbers", () => {
  it("are decimal and within their bounds", () => {
    const small = integer(1, 100);
    assert.strictEqual(small("100"), 100);
    for (const text of ["0", "101", "-1", "1.5", "1e1", "0x1", "", " 1", "99999999999999999999"])
      assert.strictEqual(small(text), undefined, text);
  });

  it("with a sign have 32 bits", () => {
    assert.strictEqual(int32("-2147483648"), -2147483648);
    for (const text of ["-2147483649", "2147483648", "+1", "--1", ""]) assert.strictEqual(int32(text), undefined, text);
    assert.deepStrictEqual(keyValue("a=b=c"), ["a", "b=c"]);
    assert.strictEqual(keyValue("=b"), undefined);
  });

  it("beside addresses are ports", () => {
    assert.deepStrictEqual(addressAndPort("127.0.0.1:9001"), { address: "127.0.0.1", port: 9001 });
    assert.deepStrictEqual(addressAndPort("[2001:db8::1]:1"), { address: "2001:db8::1", port: 1 });
    assert.strictEqual(formatAddressAndPort({ address: "::1", port: 2 }), "[::1]:2");
    for (const text of [
      "127.0.0.1",
      "127.0.0.1:0",
      "127.0.0.1:65536",
      "127.0.0:1",
      "01.0.0.1:1",
      "::1:1",
      "[::1]",
      "[fe80::1%lo]:1",
      "[1.2.3.4]:1",
      "a:1",
      ":1",
    ])
      assert.strictEqual(addressAndPort(text), undefined, text);
  });
});

describe("times", () => {
  it("are read as UTC", () => {
    assert.strictEqual(parseTime("2026-11-21", "10:45:20"), Date.UTC(2026, 10, 21, 10, 45, 20));
    assert.strictEqual(parseTime("2024-02-29", "23:59:60"), Date.UTC(2024, 2, 1));
    assert.strictEqual(formatTime(Date.UTC(2026, 10, 21, 10, 45, 20) + 999), "2026-11-21 10:45:20");
  });

  it("must exist", () => {
    for (const [date, time] of [
      ["2026-02-29", "00:00:00"],
      ["2026-13-01", "00:00:00"],
      ["2026-00-10", "00:00:00"],
      ["0050-01-01", "00:00:00"],
      ["2026-01-01", "24:00:00"],
      ["2026-01-01", "00:60:00"],
      ["2026-01-01", "00:00:61"],
      ["2026-1-01", "00:00:00"],
      ["2026-01-01", "0:00:00"],
    ] as const)
      assert.strictEqual(parseTime(date, time), undefined, `${date} ${time}`);
  });

  it.prop("come back from their text", { seed: Schema.Int }, ({ seed }) => {
    const moment = new Random(seed).uint32() * 1000;
    const [date = "", time = ""] = formatTime(moment).split(" ");
    assert.strictEqual(parseTime(date, time), moment);
  });
});

describe("protocols", () => {
  const some = Protocols.parse("Link=1-5 LinkAuth=1,3 Relay=2 Empty=") ?? Protocols.none;

  it("are spoken in versions", () => {
    assert.isTrue(some.supports("Link", 5));
    assert.isFalse(some.supports("Link", 6));
    assert.isFalse(some.supports("LinkAuth", 2));
    assert.isFalse(some.supports("Conflux", 1));
    assert.isFalse(some.supports("Link", -1));
    assert.strictEqual(some.toString(), "Empty= Link=1-5 LinkAuth=1,3 Relay=2");
  });

  it("may lack what is required", () => {
    const required = Protocols.parse("Link=4-5 LinkAuth=2-3 Conflux=1") ?? Protocols.none;
    assert.strictEqual(some.missing(required), "Conflux=1 LinkAuth=2");
    assert.strictEqual(some.missing(Protocols.none), "");
  });

  it("are refused if malformed", () => {
    for (const text of [
      "Link",
      "Link=a",
      "Link=5-1",
      "Link=64",
      "Link=1,",
      "Link=1 Link=2",
      "=1",
      "Li_nk=1",
      "Link=1-2-3",
    ])
      assert.strictEqual(Protocols.parse(text), undefined, text);
  });

  it.prop("come back from their text", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const versions = new Set(Array.from({ length: random.below(12) }, () => random.below(64)));
    const text = `A=${[...versions].join(",")}`;
    const protocols = Protocols.parse(text) ?? assert.fail(text);
    for (let version = 0; version < 70; version++)
      assert.strictEqual(protocols.supports("A", version), versions.has(version));
    assert.strictEqual(Protocols.parse(protocols.toString())?.toString(), protocols.toString());
  });
});

describe("parameters", () => {
  const params = new NetParams(
    new Map([
      ["cc_alg", 2],
      ["circwindow", 5],
      ["huge", 2_000_000],
    ]),
  );

  it("have a default, and stay within their range", () => {
    assert.strictEqual(params.get("cc_alg", { default: 0, min: 0, max: 2 }), 2);
    assert.strictEqual(params.get("absent", { default: 7, min: 0, max: 10 }), 7);
    assert.strictEqual(params.get("circwindow", { default: 1000, min: 100, max: 1000 }), 100);
    assert.strictEqual(params.get("huge", { default: 1, min: 0, max: 1000 }), 1000);
    assert.strictEqual(params.raw("circwindow"), 5);
    assert.strictEqual(params.raw("absent"), undefined);
    assert.strictEqual([...params.entries()].length, 3);
    assert.strictEqual(NetParams.none.get("cc_alg", { default: 1, min: 0, max: 2 }), 1);
  });
});
