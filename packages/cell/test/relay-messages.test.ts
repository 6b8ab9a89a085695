import { assert, describe, it } from "@effect/vitest";
import * as Schema from "effect/Schema";
import { Random } from "../../../test/support/fuzz.ts";
import { randomRelayMessage, relayMessages } from "../fuzz/messages.ts";
import type { RelayMessage, RelayMessageTag } from "../src/index.ts";
import {
  acceptsStreamId,
  CELL_BODY_LEN,
  EndReason,
  encodeRelayBody,
  endReasonName,
  orderLinkSpecifiers,
  RelayCommand,
  readBackwardMessage,
  readForwardMessage,
  readRelayMessage,
  relayCellV0,
  relayCommandName,
  relayMessageTags,
  writeRelayMessage,
} from "../src/index.ts";
import { hex, messageOf, refuses, unencodable } from "./support.ts";
import { relayVectors } from "./vectors/relay.ts";

const streamIdFor = (tag: RelayMessageTag): number => (acceptsStreamId(RelayCommand[tag], 0) ? 0 : 77);

const read = (tag: RelayMessageTag, body: string | Buffer, streamId = streamIdFor(tag)) =>
  readRelayMessage(messageOf(RelayCommand[tag], streamId, typeof body === "string" ? hex(body) : body));

/** Reads a message whose body is text. */
const readText = (tag: RelayMessageTag, text: string) => read(tag, Buffer.from(text, "latin1"));

describe("vectors", () => {
  it.each(relayVectors)("$name", ({ body, message, encoded }) => {
    assert.deepStrictEqual(read(message._tag, body), message);
    assert.deepStrictEqual(encodeRelayBody(message), hex(encoded ?? body));
  });

  it("test_unrecognized", () => {
    assert.deepStrictEqual(readRelayMessage(messageOf(249, 0, Buffer.from("arbitrary bytes"))), {
      _tag: "UNRECOGNIZED",
      command: 249,
    });
  });
});

// Layouts of proposal 324, 4.1 and proposal 329, 2; there are no published vectors of these.
describe("flow control and conflux", () => {
  it("XON and XOFF", () => {
    assert.deepStrictEqual(read("XON", "00 000003e8"), { _tag: "XON", kilobytesPerSecond: 1000 });
    assert.deepStrictEqual(encodeRelayBody({ _tag: "XON", kilobytesPerSecond: 1000 }), hex("00 000003e8"));
    assert.deepStrictEqual(read("XOFF", "00"), { _tag: "XOFF" });
    assert.deepStrictEqual(encodeRelayBody({ _tag: "XOFF" }), hex("00"));
  });

  it("CONFLUX_LINK and CONFLUX_LINKED", () => {
    const nonce = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
    const body = `01 ${nonce.toString("hex")} 0000000000000102 fffffffffffffffe 03`;
    for (const _tag of ["CONFLUX_LINK", "CONFLUX_LINKED"] as const) {
      const message = {
        _tag,
        nonce,
        lastSeqnoSent: 0x102n,
        lastSeqnoReceived: 0xfffffffffffffffen,
        desiredUx: 3,
      };
      assert.deepStrictEqual(read(_tag, body), message);
      assert.deepStrictEqual(encodeRelayBody(message), hex(body));
    }
  });

  it("CONFLUX_LINK of one who offers to resume, and whatever else may be behind it", () => {
    const body = `01${"ab".repeat(32)}${"00".repeat(16)}03`;
    const tag = Buffer.from("allium-resumption-1").toString("hex");
    for (const _tag of ["CONFLUX_LINK", "CONFLUX_LINKED"] as const) {
      const fields = { nonce: Buffer.alloc(32, 0xab), lastSeqnoSent: 0n, lastSeqnoReceived: 0n, desiredUx: 3 };
      const plain = { _tag, ...fields };
      assert.deepStrictEqual(read(_tag, body), plain);
      const offer = { ...plain, resumption: 7 };
      assert.deepStrictEqual(read(_tag, `${body}${tag}00000007`), offer);
      assert.deepStrictEqual(encodeRelayBody(offer), hex(`${body}${tag}00000007`));
      for (const other of ["00", tag, `${tag}000007`, `00${tag}00000007`])
        assert.deepStrictEqual(read(_tag, `${body}${other}`), plain, other);
    }
  });

  it("CONFLUX_REWIND and CONFLUX_LEG_ENDED", () => {
    const rewind = { _tag: "CONFLUX_REWIND", lastSeqno: 2n ** 63n + 1n } as const;
    assert.deepStrictEqual(read("CONFLUX_REWIND", "8000000000000001"), rewind);
    assert.deepStrictEqual(encodeRelayBody(rewind), hex("8000000000000001"));
    const ended = { _tag: "CONFLUX_LEG_ENDED", leg: 3 } as const;
    assert.deepStrictEqual(read("CONFLUX_LEG_ENDED", "00000003"), ended);
    assert.deepStrictEqual(encodeRelayBody(ended), hex("00000003"));
  });

  it("CONFLUX_LINKED_ACK and CONFLUX_SWITCH", () => {
    assert.deepStrictEqual(read("CONFLUX_LINKED_ACK", ""), { _tag: "CONFLUX_LINKED_ACK" });
    assert.deepStrictEqual(encodeRelayBody({ _tag: "CONFLUX_LINKED_ACK" }), hex(""));
    assert.deepStrictEqual(read("CONFLUX_SWITCH", "80000015"), { _tag: "CONFLUX_SWITCH", relativeSeqno: 0x80000015 });
    assert.deepStrictEqual(encodeRelayBody({ _tag: "CONFLUX_SWITCH", relativeSeqno: 21 }), hex("00000015"));
  });
});

describe("directions", () => {
  const forwardOnly =
    /^(BEGIN|BEGIN_DIR|RESOLVE|EXTEND|EXTEND2|TRUNCATE|PADDING_NEGOTIATE|CONFLUX_LINK|CONFLUX_LINKED_ACK)$/;
  const backwardOnly = /^(CONNECTED|RESOLVED|EXTENDED|EXTENDED2|TRUNCATED|PADDING_NEGOTIATED|CONFLUX_LINKED)$/;

  it.each(relayMessageTags)("%s goes only where it may", (tag) => {
    const view = messageOf(RelayCommand[tag], streamIdFor(tag), encodeRelayBody(relayMessages[tag](new Random(1))));
    if (backwardOnly.test(tag)) refuses(() => readForwardMessage(view), "unexpected", tag, 0);
    else assert.strictEqual(readForwardMessage(view)._tag, tag);
    if (forwardOnly.test(tag)) refuses(() => readBackwardMessage(view), "unexpected", tag, 0);
    else assert.strictEqual(readBackwardMessage(view)._tag, tag);
  });

  it("messages of onion services are not understood, so they are dropped", () => {
    for (let command: number = RelayCommand.ESTABLISH_INTRO; command <= RelayCommand.INTRODUCE_ACK; command++) {
      assert.deepStrictEqual(readForwardMessage(messageOf(command, 0, hex("00"))), { _tag: "UNRECOGNIZED", command });
    }
  });

  it("a stream ID that the command cannot have is refused, whoever made the view", () => {
    refuses(() => read("DATA", "00", 0), "stream-id", "DATA", 0);
    refuses(() => read("EXTEND2", "00", 1), "stream-id", "EXTEND2", 0);
  });
});

describe("BEGIN", () => {
  const begin = (text: string) => () => readText("BEGIN", text);

  it("takes host names in any case, and gives them in lower case", () => {
    assert.deepStrictEqual(readText("BEGIN", "WWW.Example_1.COM:80\0"), {
      _tag: "BEGIN",
      destination: { family: "name", address: "www.example_1.com" },
      port: 80,
      flags: 0,
    });
  });

  it("gives addresses in canonical text", () => {
    const destination = (text: string) => (readText("BEGIN", text) as { destination: unknown }).destination;
    assert.deepStrictEqual(destination("[2001:DB8:0::0001]:80\0"), { family: 6, address: "2001:db8::1" });
    assert.deepStrictEqual(destination("[::ffff:1.2.3.4]:80\0"), { family: 6, address: "::ffff:1.2.3.4" });
  });

  it("ignores flags that are not defined, and flags that are cut", () => {
    assert.include(readText("BEGIN", "a:1\0\xff\xff\xff\xff"), { flags: 7 });
    assert.include(readText("BEGIN", "a:1\0\x00\x00\x01"), { flags: 0 });
  });

  it("refuses text without NUL, port or brackets", () => {
    refuses(begin("example.com:80"), "value", "BEGIN", 0);
    refuses(begin(""), "value", "BEGIN", 0);
    refuses(begin("example.com\0"), "value", "BEGIN", 0);
    refuses(begin("2001:db8::1:80\0"), "value", "BEGIN", 0);
    // test_begin: no port after IPv6. The NUL is missing too, and that is seen first.
    refuses(begin("[::]!"), "value", "BEGIN", 0);
    refuses(begin("[::]!\0"), "value", "BEGIN", 3);
  });

  it("refuses ports that are not 1 to 65535", () => {
    for (const port of ["", "0", "00000", "65536", "99999", "100000", "-1", "+1", " 1", "0x50", "8a", "1e3"]) {
      refuses(begin(`a.example:${port}\0`), "value", "BEGIN", 10);
    }
    assert.include(readText("BEGIN", "a.example:65535\0"), { port: 65_535 });
    assert.include(readText("BEGIN", "a.example:1\0"), { port: 1 });
  });

  it("tells apart hosts that cannot exist, since for those an exit answers RESOLVEFAILED", () => {
    // test_begin: not ascii.
    refuses(begin("torproject\xe2\x84\xa2.org:443\0"), "destination", "BEGIN", 0);
    refuses(begin(":80\0"), "destination", "BEGIN", 0);
    refuses(begin("a b:80\0"), "destination", "BEGIN", 0);
    refuses(begin("a/b:80\0"), "destination", "BEGIN", 0);
    refuses(begin(`${"a".repeat(256)}:80\0`), "destination", "BEGIN", 0);
    for (const inside of ["", "1.2.3.4", "2001:db8::1%eth0", "2001:db8::1::2", "example.com"]) {
      refuses(begin(`[${inside}]:80\0`), "destination", "BEGIN", 1);
    }
    refuses(begin("[::1:80\0"), "destination", "BEGIN", 1);
  });

  it("is not sent to what is no destination", () => {
    const send = (message: object) => () =>
      encodeRelayBody({
        _tag: "BEGIN",
        destination: { family: "name", address: "a" },
        port: 80,
        flags: 0,
        ...message,
      } as RelayMessage);
    unencodable(send({ port: 0 }), "BEGIN", /port 0/);
    unencodable(send({ port: 65_536 }), "BEGIN", /port 65536/);
    unencodable(send({ flags: 8 }), "BEGIN", /flags 8/);
    unencodable(send({ destination: { family: "name", address: "a b" } }), "BEGIN", /"a b" is no destination/);
    unencodable(send({ destination: { family: "name", address: "::1" } }), "BEGIN", /of family name/);
    unencodable(send({ destination: { family: 6, address: "1.2.3.4" } }), "BEGIN", /of family 6/);
  });
});

describe("END and CONNECTED", () => {
  it("an END with a malformed address closes the stream all the same", () => {
    for (const address of ["7f0000", "7f00000100", "00".repeat(15), "00".repeat(21)]) {
      assert.deepStrictEqual(read("END", `04 ${address}`), { _tag: "END", reason: 4, resolved: undefined });
    }
  });

  it("an END of another reason has no address", () => {
    assert.deepStrictEqual(read("END", "05 7f000001 00000001"), { _tag: "END", reason: 5, resolved: undefined });
    const resolved = { address: { family: 4, address: "127.0.0.1" }, ttl: 1 } as const;
    unencodable(() => encodeRelayBody({ _tag: "END", reason: 5, resolved }), "END", /takes no address/);
  });

  it("reasons have names, known ones", () => {
    assert.strictEqual(endReasonName(EndReason.NOTDIRECTORY), "NOTDIRECTORY");
    assert.isUndefined(endReasonName(99));
  });

  it("a CONNECTED of a broken form is refused", () => {
    refuses(() => read("CONNECTED", "7f0000"), "truncated", "CONNECTED", 0);
    refuses(() => read("CONNECTED", "7f000001 0000"), "truncated", "CONNECTED", 4);
    // test_connected: bogus address type.
    const bogus = "00000000 07 20010db8 00000000 00000000 00001122 00000E10";
    refuses(() => read("CONNECTED", bogus), "value", "CONNECTED", 4);
    refuses(() => read("CONNECTED", "00000000"), "truncated", "CONNECTED", 4);
    refuses(() => read("CONNECTED", "00000000 06 20010db8"), "truncated", "CONNECTED", 5);
  });

  it("no CONNECTED says 0.0.0.0, or what is no address", () => {
    const connected = (address: string, family: 4 | 6) => () =>
      encodeRelayBody({ _tag: "CONNECTED", resolved: { address: { family, address }, ttl: 0 } });
    unencodable(connected("0.0.0.0", 4), "CONNECTED", /stands for an IPv6 address/);
    unencodable(connected("example.com", 4), "CONNECTED", /is no address of family 4/);
  });
});

describe("RESOLVE and RESOLVED", () => {
  it("the query is a name or an address, with or without a NUL", () => {
    assert.deepStrictEqual(readText("RESOLVE", "Example.COM"), {
      _tag: "RESOLVE",
      query: { family: "name", address: "example.com" },
    });
    assert.deepStrictEqual(readText("RESOLVE", "1.2.3.4\0rest"), {
      _tag: "RESOLVE",
      query: { family: 4, address: "1.2.3.4" },
    });
  });

  it("a query that is neither is refused, and not sent", () => {
    for (const query of ["", "\0", "a b\0", "caf\xe9.example\0", `${"a".repeat(256)}\0`]) {
      refuses(() => readText("RESOLVE", query), "destination", "RESOLVE", 0);
    }
    const resolve = (address: string) => () => encodeRelayBody({ _tag: "RESOLVE", query: { family: "name", address } });
    unencodable(resolve("a b"), "RESOLVE", /"a b" is no query of family name/);
    unencodable(resolve("1.2.3.4"), "RESOLVE", /of family name/);
  });

  it("answers of the wrong length or cut are refused", () => {
    // test_resolved: incorrect length.
    refuses(() => read("RESOLVED", "04 03 010203 00000001"), "length", "RESOLVED", 1);
    refuses(() => read("RESOLVED", "06 04 01020304 00000001"), "length", "RESOLVED", 1);
    refuses(() => read("RESOLVED", "00 00 00000001"), "length", "RESOLVED", 1);
    refuses(() => read("RESOLVED", "04"), "truncated", "RESOLVED", 1);
    refuses(() => read("RESOLVED", "00 05 6162"), "truncated", "RESOLVED", 2);
    refuses(() => read("RESOLVED", "04 04 7f000001 0000"), "truncated", "RESOLVED", 6);
  });

  it("what an error says is ignored", () => {
    assert.deepStrictEqual(read("RESOLVED", "f1 03 616263 00000007"), {
      _tag: "RESOLVED",
      answers: [{ _tag: "ERROR", transient: false, ttl: 7 }],
    });
  });

  it("an IPv4 answer is sent first", () => {
    const six = { _tag: "ADDRESS", address: { family: 6, address: "::1" }, ttl: 1 } as const;
    const four = { _tag: "ADDRESS", address: { family: 4, address: "127.0.0.1" }, ttl: 2 } as const;
    const body = encodeRelayBody({ _tag: "RESOLVED", answers: [six, four] });
    assert.deepStrictEqual(read("RESOLVED", body), { _tag: "RESOLVED", answers: [four, six] });
  });

  it("an error goes alone, and a name is not empty", () => {
    const error = { _tag: "ERROR", transient: true, ttl: 1 } as const;
    const hostname = { _tag: "HOSTNAME", name: "", ttl: 1 } as const;
    const send = (message: RelayMessage) => () => encodeRelayBody(message);
    unencodable(send({ _tag: "RESOLVED", answers: [error, error] }), "RESOLVED", /must be the only answer/);
    unencodable(send({ _tag: "RESOLVED", answers: [hostname] }), "RESOLVED", /empty host name/);
  });
});

describe("SENDME", () => {
  const tag = "F01234989823478bcdefabcdef01234567890123";

  it("of a stream has no body that counts", () => {
    assert.deepStrictEqual(read("SENDME", `01 0014 ${tag}`, 5), { _tag: "SENDME", version: 0 });
    assert.deepStrictEqual(read("SENDME", "ff", 5), { _tag: "SENDME", version: 0 });
  });

  it("of version 0 may have a body that does not count", () => {
    assert.deepStrictEqual(read("SENDME", "00 0003 010203"), { _tag: "SENDME", version: 0 });
  });

  it("has a tag of 16 or 20 bytes; of more the first 20 count", () => {
    assert.deepStrictEqual(read("SENDME", `01 0010 ${tag.slice(0, 32)}`), {
      _tag: "SENDME",
      version: 1,
      tag: hex(tag.slice(0, 32)),
    });
    assert.deepStrictEqual(read("SENDME", `01 0016 ${tag} ffff`), { _tag: "SENDME", version: 1, tag: hex(tag) });
  });

  it("of another version, or with a tag of another length, is refused", () => {
    refuses(() => read("SENDME", "02 0000"), "value", "SENDME", 0);
    for (const length of ["0000", "000f", "0011", "0013"]) {
      refuses(() => read("SENDME", `01 ${length} ${tag}`), "length", "SENDME", 1);
    }
    refuses(() => read("SENDME", "01 00"), "truncated", "SENDME", 1);
    refuses(() => read("SENDME", "01 0014 00"), "truncated", "SENDME", 3);
    unencodable(
      () => encodeRelayBody({ _tag: "SENDME", version: 1, tag: Buffer.alloc(17) }),
      "SENDME",
      /a tag of 17 bytes/,
    );
  });
});

describe("EXTEND2", () => {
  const rsa = `02 14 ${"aa".repeat(20)}`;
  const ed25519 = `03 20 ${"bb".repeat(32)}`;
  const tail = "0002 0001 cc";

  // Link specifiers of Arti's crates/tor-linkspec/src/ls.rs, test_parse_enc.
  it("takes every kind of link specifier, and keeps unknown ones", () => {
    const body = `05
      00 06 01020304 0050
      01 12 0001 0002 0003 0004 0005 0006 0007 0008 01bb
      02 14 68656c6c6f20776f726c64212121212121212121
      03 20 B440EEDB32D5C89EF21D6B16BE85A658774CE5992355737411678EE1041BDFBA
      4d 07 737472616e6765 ${tail}`;
    const message: RelayMessage = {
      _tag: "EXTEND2",
      linkSpecifiers: [
        { _tag: "TLS_TCP", address: { family: 4, address: "1.2.3.4" }, port: 80 },
        { _tag: "TLS_TCP", address: { family: 6, address: "1:2:3:4:5:6:7:8" }, port: 443 },
        { _tag: "RSA_ID", id: Buffer.from("hello world!!!!!!!!!") },
        { _tag: "ED25519_ID", id: hex("B440EEDB32D5C89EF21D6B16BE85A658774CE5992355737411678EE1041BDFBA") },
        { _tag: "UNKNOWN", type: 77, body: Buffer.from("strange") },
      ],
      handshakeType: 2,
      handshake: hex("cc"),
    };
    assert.deepStrictEqual(read("EXTEND2", body), message);
    assert.deepStrictEqual(encodeRelayBody(message), hex(body));
  });

  it("takes many addresses, but each identity once", () => {
    const address = "00 06 01020304 0050";
    assert.strictEqual(read("EXTEND2", `04 ${address} ${address} ${rsa} ${ed25519} ${tail}`)._tag, "EXTEND2");
    refuses(() => read("EXTEND2", `02 ${rsa} ${rsa} ${tail}`), "duplicate", "EXTEND2", 23);
    refuses(() => read("EXTEND2", `03 ${ed25519} ${rsa} ${ed25519} ${tail}`), "duplicate", "EXTEND2", 57);
  });

  it("refuses known specifiers of another length, and what is cut", () => {
    refuses(() => read("EXTEND2", `01 00 05 0102030400 ${tail}`), "length", "EXTEND2", 2);
    refuses(() => read("EXTEND2", `01 01 06 010203040050 ${tail}`), "length", "EXTEND2", 2);
    refuses(() => read("EXTEND2", `01 02 13 ${"aa".repeat(19)} ${tail}`), "length", "EXTEND2", 2);
    refuses(() => read("EXTEND2", `01 03 14 ${"bb".repeat(20)} ${tail}`), "length", "EXTEND2", 2);
    refuses(() => read("EXTEND2", "01 4d 08 73747261"), "truncated", "EXTEND2", 3);
    refuses(() => read("EXTEND2", ""), "truncated", "EXTEND2", 0);
    refuses(() => read("EXTEND2", `01 ${rsa} 0002 0004 cccc`), "truncated", "EXTEND2", 27);
  });

  it("specifiers are ordered as clients should send them: IPv4, RSA, Ed25519, IPv6, the rest", () => {
    const unknown = { _tag: "UNKNOWN", type: 77, body: Buffer.alloc(0) } as const;
    const six = { _tag: "TLS_TCP", address: { family: 6, address: "::1" }, port: 1 } as const;
    const ed = { _tag: "ED25519_ID", id: Buffer.alloc(32) } as const;
    const four = { _tag: "TLS_TCP", address: { family: 4, address: "1.2.3.4" }, port: 1 } as const;
    const id = { _tag: "RSA_ID", id: Buffer.alloc(20) } as const;
    assert.deepStrictEqual(orderLinkSpecifiers([unknown, six, ed, four, id]), [four, id, ed, six, unknown]);
  });

  it("is not sent with identities or addresses that are none", () => {
    const extend = (linkSpecifier: object) => () =>
      encodeRelayBody({
        _tag: "EXTEND2",
        linkSpecifiers: [linkSpecifier],
        handshakeType: 2,
        handshake: Buffer.alloc(84),
      } as RelayMessage);
    unencodable(extend({ _tag: "RSA_ID", id: Buffer.alloc(19) }), "EXTEND2", /19 bytes, not 20/);
    unencodable(extend({ _tag: "ED25519_ID", id: Buffer.alloc(33) }), "EXTEND2", /33 bytes, not 32/);
    const address = { family: 6, address: "1.2.3.4" };
    unencodable(extend({ _tag: "TLS_TCP", address, port: 9 }), "EXTEND2", /no address of family 6/);
    unencodable(extend({ _tag: "UNKNOWN", type: 9, body: Buffer.alloc(256) }), "EXTEND2", /LSLEN 256/);
  });

  it("its answer is cut", () => {
    refuses(() => read("EXTENDED2", "00"), "truncated", "EXTENDED2", 0);
    refuses(() => read("EXTENDED2", "0002 aa"), "truncated", "EXTENDED2", 2);
  });

  it("the older EXTEND and EXTENDED are recognised, and refused if cut", () => {
    refuses(() => read("EXTEND", "7f000001 0050 00"), "truncated", "EXTEND", 6);
    refuses(() => read("EXTEND", `7f000001 0050 ${"00".repeat(205)}`), "truncated", "EXTEND", 192);
    refuses(() => read("EXTENDED", "00".repeat(147)), "truncated", "EXTENDED", 0);
    const extend: RelayMessage = {
      _tag: "EXTEND",
      address: { family: 6, address: "::1" },
      port: 80,
      handshake: Buffer.alloc(186),
      rsaId: Buffer.alloc(20),
    };
    unencodable(() => encodeRelayBody(extend), "EXTEND", /not IPv4/);
  });
});

describe("other malformed messages", () => {
  it("of unknown versions", () => {
    refuses(() => read("XON", "01 00000000"), "value", "XON", 0);
    refuses(() => read("XOFF", "01"), "value", "XOFF", 0);
    refuses(() => read("CONFLUX_LINK", `02 ${"00".repeat(49)}`), "value", "CONFLUX_LINK", 0);
    refuses(() => read("CONFLUX_LINKED", `00 ${"00".repeat(49)}`), "value", "CONFLUX_LINKED", 0);
    refuses(() => read("PADDING_NEGOTIATE", "01 02 00 00 00000001"), "value", "PADDING_NEGOTIATE", 0);
    refuses(() => read("PADDING_NEGOTIATED", "01 02 01 00 00000001"), "value", "PADDING_NEGOTIATED", 0);
  });

  it("of fields that cannot be", () => {
    refuses(() => read("PADDING_NEGOTIATE", "00 03 00 00 00000001"), "value", "PADDING_NEGOTIATE", 1);
    refuses(() => read("PADDING_NEGOTIATE", "00 02 00 02 00000001"), "value", "PADDING_NEGOTIATE", 3);
    refuses(() => read("PADDING_NEGOTIATED", "00 00 01 00 00000001"), "value", "PADDING_NEGOTIATED", 1);
    refuses(() => read("PADDING_NEGOTIATED", "00 02 03 00 00000001"), "value", "PADDING_NEGOTIATED", 2);
  });

  it("that are cut", () => {
    refuses(() => read("XON", "00 0000"), "truncated", "XON", 1);
    refuses(() => read("XOFF", ""), "truncated", "XOFF", 0);
    refuses(() => read("TRUNCATED", ""), "truncated", "TRUNCATED", 0);
    refuses(() => read("CONFLUX_LINK", `01 ${"00".repeat(31)}`), "truncated", "CONFLUX_LINK", 1);
    refuses(() => read("CONFLUX_LINK", `01 ${"00".repeat(39)}`), "truncated", "CONFLUX_LINK", 33);
    refuses(() => read("CONFLUX_LINKED", `01 ${"00".repeat(48)}`), "truncated", "CONFLUX_LINKED", 49);
    refuses(() => read("CONFLUX_SWITCH", "000000"), "truncated", "CONFLUX_SWITCH", 0);
    refuses(() => read("PADDING_NEGOTIATE", "00 02 00 00 000001"), "truncated", "PADDING_NEGOTIATE", 4);
    refuses(() => read("PADDING_NEGOTIATED", "00 02 01"), "truncated", "PADDING_NEGOTIATED", 3);
  });

  it("that do not fit what they are written to", () => {
    const link = { _tag: "CONFLUX_LINK", nonce: Buffer.alloc(32), lastSeqnoReceived: 0n, desiredUx: 0 } as const;
    unencodable(() => encodeRelayBody({ ...link, lastSeqnoSent: -1n }), "CONFLUX_LINK", /-1 does not fit 8 bytes/);
    unencodable(() => encodeRelayBody({ ...link, lastSeqnoSent: 1n << 64n }), "CONFLUX_LINK", /does not fit 8 bytes/);
    const slab = Buffer.alloc(CELL_BODY_LEN);
    unencodable(
      () => writeRelayMessage(relayCellV0, slab, 0, 1, { _tag: "DATA", data: Buffer.alloc(499) }),
      "RELAY cell",
      /499 bytes of data/,
    );
  });
});

describe("names of commands", () => {
  it("known and not", () => {
    assert.strictEqual(relayCommandName(22), "CONFLUX_SWITCH");
    assert.isUndefined(relayCommandName(16));
  });
});

describe("properties", () => {
  it.prop("what is sent in a cell is what is read from it", { seed: Schema.Int }, ({ seed }) => {
    const message = randomRelayMessage(new Random(seed));
    const slab = Buffer.alloc(2 * CELL_BODY_LEN, 0xee);
    writeRelayMessage(relayCellV0, slab, 1, streamIdFor(message._tag), message);
    const reader = relayCellV0.makeReader();
    reader.reset(slab, 1);
    assert.isTrue(reader.next());
    const seen = readRelayMessage(reader);
    slab.fill(0x55);
    assert.deepStrictEqual(seen, message);
  });
});
