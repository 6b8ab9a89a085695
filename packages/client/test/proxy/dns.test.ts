import { assert, describe, it } from "@effect/vitest";
import { type DnsQuery, readDnsQuery, writeDnsAnswer, writeDnsFailure } from "../../src/proxy/dns.ts";
import type { DestinationProblem, ProxyProblem } from "../../src/proxy/errors.ts";
import { ascii, hex } from "./support.ts";

const A = "0001";
const AAAA = "001c";
const PTR = "000c";
const IN = "0001";

const encodeName = (name: string): Buffer =>
  Buffer.concat([
    ...name.split(".").map((label) => Buffer.concat([Buffer.of(label.length), ascii(label)])),
    Buffer.of(0),
  ]);

const question = (name: string, type = A, cls = IN): Buffer => Buffer.concat([encodeName(name), hex(type), hex(cls)]);

/** Id 1234, recursion desired: what stub resolvers send. */
const message = (questions: ReadonlyArray<Buffer>, flags = "0100", additional: Buffer = Buffer.alloc(0)): Buffer =>
  Buffer.concat([
    hex(`1234 ${flags} 000${questions.length} 0000 0000 000${additional.length > 0 ? 1 : 0}`),
    ...questions,
    additional,
  ]);

const query = (name: string, type = A): DnsQuery => {
  const event = readDnsQuery(message([question(name, type)]));
  if (event._tag !== "Query") assert.fail(`${event._tag}: ${event.error.message}`);
  return event;
};

const assertAnswered = (
  sent: Buffer,
  problem: ProxyProblem | DestinationProblem,
  offset: number,
  response: string,
  echo: Buffer = Buffer.alloc(0),
): void => {
  const event = readDnsQuery(sent);
  if (event._tag !== "Answered") assert.fail(event._tag);
  assert.deepStrictEqual([event.error.problem, event.error.offset], [problem, offset], event.error.message);
  assert.strictEqual(event.bytes.toString("hex"), Buffer.concat([hex(response), echo]).toString("hex"));
};

const assertIgnored = (sent: Buffer, problem: ProxyProblem, offset: number): void => {
  const event = readDnsQuery(sent);
  if (event._tag !== "Ignored") assert.fail(event._tag);
  assert.deepStrictEqual([event.error.problem, event.error.offset], [problem, offset]);
};

describe("a DNS query", () => {
  it("for addresses is a look-up of that kind of address", () => {
    const asked = query("WwW.example.com");
    assert.deepInclude(asked, {
      _tag: "Query",
      kind: "resolve",
      destination: { family: "name", address: "www.example.com" },
      family: "ipv4-only",
      isolation: { protocol: "dns", credentials: "" },
    });
    assert.strictEqual(query("example.com", AAAA).family, "ipv6-only");
  });

  it("for a pointer is a look-up of the name of an address (RFC 1035, 3.5; RFC 3596, 2.5)", () => {
    const four = query("52.0.2.10.IN-ADDR.ARPA", PTR);
    assert.deepInclude(four, { kind: "resolvePtr", destination: { family: 4, address: "10.2.0.52" } });
    const six = query("b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa", PTR);
    assert.deepStrictEqual(six.destination, { family: 6, address: "4321:0:1:2:3:4:567:89ab" });
  });

  it("may have EDNS with it, which changes nothing", () => {
    const edns = hex("00 0029 04d0 00008000 0000");
    const event = readDnsQuery(message([question("example.com")], "0120", edns));
    if (event._tag !== "Query") assert.fail(event._tag);
    assert.strictEqual(
      writeDnsFailure(event, "no-circuit").toString("hex"),
      `1234818200010000000000000${encodeName("example.com").toString("hex").slice(1)}00010001`,
    );
  });

  it("is not answered if it is none: whoever answers answers talks to himself", () => {
    assertIgnored(ascii("abc"), "truncated", 3);
    assertIgnored(message([question("example.com")], "8180"), "response", 2);
  });

  it("has one question (RFC 9619): FORMERR", () => {
    const two = message([question("a.example"), question("b.example")]);
    assertAnswered(two, "question-count", 4, "1234 8181 0000 0000 0000 0000");
    assertAnswered(message([]), "question-count", 4, "1234 8181 0000 0000 0000 0000");
  });

  it("can be read: FORMERR", () => {
    const formerr = "1234 8181 0000 0000 0000 0000";
    assertAnswered(message([ascii("\x03foo")]), "malformed", 12, formerr);
    assertAnswered(message([question("foo").subarray(0, 7)]), "malformed", 12, formerr);
    // A pointer to itself, one into the header, and one past the end.
    for (const pointer of ["c00c", "c002", "c0ff"])
      assertAnswered(message([hex(`${pointer} 0001 0001`)]), "malformed", 12, formerr);
    // A label of a kind that was never given out, and names that would be others once they are text.
    assertAnswered(message([hex("41 61 00 0001 0001")]), "malformed", 12, formerr);
    assertAnswered(message([hex("03 612e62 00 0001 0001")]), "malformed", 12, formerr);
    assertAnswered(message([hex("02 c328 00 0001 0001")]), "malformed", 12, formerr);
    assertAnswered(message([question("a.".repeat(130))]), "malformed", 12, formerr);
  });

  it("is of 512 bytes at most: FORMERR", () => {
    const padded = (length: number) => Buffer.concat([message([question("a.example")]), Buffer.alloc(length - 27)]);
    assert.strictEqual(readDnsQuery(padded(512))._tag, "Query");
    assertAnswered(padded(513), "oversized", 512, "1234 8181 0000 0000 0000 0000");
  });

  it("asks for what circuits can find out: NOTIMP, as tor 0.4.9.11", () => {
    const head = "1234 8184 0001 0000 0000 0000";
    for (const type of ["000f", "00ff", "0010", "fde8"]) {
      const mx = question("foo.test", type);
      assertAnswered(message([mx]), "record-type", 22, head, mx);
    }
    const chaos = question("foo.test", A, "0003");
    assertAnswered(message([chaos]), "class", 24, head, chaos);
    assertAnswered(message([question("foo.test")], "2900"), "opcode", 2, "1234 a984 0000 0000 0000 0000");
  });

  it("is not for onion services: NXDOMAIN (RFC 7686), nor for .exit", () => {
    const onion = question("Foo.Onion");
    assertAnswered(message([onion]), "onion-address", 13, "1234 8183 0001 0000 0000 0000", onion);
    const exit = question("foo.exit");
    assertAnswered(message([exit]), "exit", 17, "1234 8183 0001 0000 0000 0000", exit);
  });

  it("is not for what is no host name: REFUSED", () => {
    const head = "1234 8185 0001 0000 0000 0000";
    for (const [name, problem, offset] of [
      ["fo o.test", "characters", 15],
      ["_dmarc.example", "characters", 13],
      ["127.1", "numeric", 17],
      ["1.2.3.4", "numeric", 13],
    ] as const)
      assertAnswered(message([question(name)]), problem, offset, head, question(name));
    const root = hex("00 0001 0001");
    assertAnswered(message([root]), "empty", 13, head, root);
    const pointer = question("foo.bar", PTR);
    assertAnswered(message([pointer]), "not-an-address", 13, head, pointer);
  });
});

describe("a DNS response", () => {
  it("has addresses, under the name as it was asked", () => {
    const asked = query("ExAmple.com");
    const answer = writeDnsAnswer(asked, [
      { answer: { family: 4, address: "192.0.2.1" }, ttl: 300 },
      { answer: { family: 6, address: "2001:db8::1" }, ttl: 300 },
    ]);
    const name = encodeName("ExAmple.com").toString("hex");
    assert.strictEqual(
      answer.toString("hex"),
      hex(`1234 8180 0001 0001 0000 0000 ${name} 0001 0001 ${name} 0001 0001 0000012c 0004 c0000201`).toString("hex"),
    );
  });

  it("has IPv6 addresses, and names", () => {
    const six = writeDnsAnswer(query("a.example", AAAA), [{ answer: { family: 6, address: "2001:db8::1" }, ttl: 300 }]);
    assert.strictEqual(six.subarray(-18).toString("hex"), "001020010db8000000000000000000000001");
    const mapped = writeDnsAnswer(query("a.example", AAAA), [
      { answer: { family: 6, address: "::ffff:192.0.2.1" }, ttl: 300 },
    ]);
    assert.strictEqual(mapped.subarray(-16).toString("hex"), "00000000000000000000ffffc0000201");
    const pointer = query("1.2.0.192.in-addr.arpa", PTR);
    const name = writeDnsAnswer(pointer, [{ answer: { family: "name", address: "a.example" }, ttl: 300 }]);
    assert.strictEqual(name.subarray(-13).toString("hex"), `000b${encodeName("a.example").toString("hex")}`);
    // What an exit tells may be anything.
    for (const address of ["a..b", "a".repeat(64), "a b", "", "x.".repeat(200), "192.0.2.1"]) {
      const none = writeDnsAnswer(pointer, [{ answer: { family: "name", address }, ttl: 300 }]);
      assert.strictEqual(none.readUInt16BE(6), 0, address);
    }
  });

  it("without answers says that there is no such record", () => {
    const none = writeDnsAnswer(query("a.example"), [{ answer: { family: 6, address: "2001:db8::1" }, ttl: 300 }]);
    assert.deepStrictEqual(none, Buffer.concat([hex("1234 8180 0001 0000 0000 0000"), question("a.example")]));
  });

  it("may be kept for a minute at least, and an hour at most", () => {
    const ttl = (given: number): number => {
      const answer = writeDnsAnswer(query("a.example"), [{ answer: { family: 4, address: "192.0.2.1" }, ttl: given }]);
      return answer.readUInt32BE(answer.length - 10);
    };
    assert.deepStrictEqual([0, -5, 60, 90.5, 3600, 1e12].map(ttl), [60, 60, 60, 90, 3600, 3600]);
  });

  it("has as many answers as have room in 512 bytes, and says so if there is room for none", () => {
    const many = Array.from({ length: 60 }, (_, index) => ({
      answer: { family: 4, address: `192.0.2.${index}` } as const,
      ttl: 300,
    }));
    const answer = writeDnsAnswer(query("a.example"), many);
    // 12 of the header and 15 of the question leave 485, and each answer has 25.
    assert.deepStrictEqual([answer.readUInt16BE(6), answer.length, answer.readUInt16BE(2)], [19, 502, 0x8180]);
    const names = ["a".repeat(60), "b".repeat(60), "c"].map((label) => `${label}.`.repeat(4).slice(0, -1));
    const pointers = names.map((address) => ({ answer: { family: "name", address } as const, ttl: 300 }));
    // A long name that has no room does not keep a shorter one from it.
    const mixed = writeDnsAnswer(query("1.2.0.192.in-addr.arpa", PTR), pointers);
    assert.deepStrictEqual([mixed.readUInt16BE(6), mixed.readUInt16BE(2)], [2, 0x8180]);
    const long = query(`${`${"a".repeat(62)}.`.repeat(3)}${"b".repeat(60)}`);
    const cut = writeDnsAnswer(long, many);
    assert.deepStrictEqual([cut.readUInt16BE(6), cut.readUInt16BE(2)], [0, 0x8380]);
  });

  it("tells of a failure by its code", () => {
    const asked = query("a.example");
    const code = (failure: Parameters<typeof writeDnsFailure>[1]) =>
      writeDnsFailure(asked, failure).readUInt16BE(2) & 0xf;
    assert.deepStrictEqual([code("no-answer"), code("timeout"), code({ end: 2 })], [3, 2, 2]);
    assert.deepStrictEqual(
      writeDnsFailure(asked, "no-answer"),
      Buffer.concat([hex("1234 8183 0001 0000 0000 0000"), question("a.example")]),
    );
  });
});
