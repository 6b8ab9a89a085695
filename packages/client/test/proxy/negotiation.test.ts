import { assert, describe, it } from "@effect/vitest";
import { Schema } from "effect";
import { Random } from "../../../../test/support/fuzz.ts";
import { conversation } from "../../fuzz/conversations.ts";
import { ProxyNegotiation } from "../../src/proxy/negotiation.ts";
import { ascii, assertRejected, converse, hex, pieces, request } from "./support.ts";

const FIRST_BYTES = Array.from({ length: 256 }, (_, byte) => byte);
const isCapital = (byte: number) => byte >= 0x41 && byte <= 0x5a;

describe("one port", () => {
  it("knows by the first byte what is spoken", () => {
    for (const byte of FIRST_BYTES) {
      const events = new ProxyNegotiation().receive(Buffer.of(byte));
      const spoken = byte === 4 || byte === 5 || isCapital(byte);
      assert.strictEqual(events.length, spoken ? 0 : 1, `byte ${byte}`);
    }
  });

  it("closes on what it does not know, without a word", () => {
    for (const byte of FIRST_BYTES.filter((byte) => byte !== 4 && byte !== 5 && byte !== 0x16 && !isCapital(byte)))
      assertRejected([Buffer.of(byte, 1, 2)], "garbage", 0, Buffer.alloc(0));
  });

  it("answers TLS with the one thing that it understands, an alert: curl 7.88.1 -x https://", () => {
    assertRejected([hex("16 0301 0200 01 0001fc 0303")], "tls", 0, hex("15 0301 0002 02 0a"));
  });

  it("names the protocol in its errors", () => {
    const dialects = ["00", "16", "04 02 0050 01020304 00", "05 00", "50204820485454502f310d0a0d0a"].map((bytes) => {
      const { last } = converse([hex(bytes)]);
      return (last as { error: { dialect: string } }).error.dialect;
    });
    assert.deepStrictEqual(dialects, ["unknown", "tls", "socks4", "socks5", "http"]);
  });

  it("says so when an application closes too early", () => {
    const ended = (...chunks: ReadonlyArray<Buffer>) => {
      const negotiation = new ProxyNegotiation();
      for (const chunk of chunks) negotiation.receive(chunk);
      const error = negotiation.end();
      assert.deepStrictEqual(negotiation.receive(ascii("more")), []);
      return error && [error.problem, error.dialect, error.offset];
    };
    assert.deepStrictEqual(ended(hex("05 01 00"), hex("05 01")), ["truncated", "socks5", 5]);
    assert.deepStrictEqual(ended(hex("04")), ["truncated", "socks4", 1]);
    assert.deepStrictEqual(ended(ascii("CONNECT")), ["truncated", "http", 7]);
    assert.isUndefined(ended());
    assert.isUndefined(ended(hex("00")));
  });

  it("is not asked for what it cannot say, and takes nothing that is not for it", () => {
    const fresh = new ProxyNegotiation();
    assert.throws(() => fresh.succeeded(), "a reply without a request");
    assert.throws(() => fresh.failed("internal"), "a reply without a request");
    const { negotiation } = request([hex("04 01 0050 01020304 00")]);
    assert.isUndefined(negotiation.end());
    assert.throws(() => negotiation.receive(ascii("data")), "given to its negotiation");
  });

  it.prop("does the same however the bytes are cut", { seed: Schema.Int }, ({ seed }) => {
    const random = new Random(seed);
    const bytes = conversation(random);
    const whole = converse([bytes]);
    assert.deepStrictEqual(converse(pieces(random, bytes)), whole);
    assert.deepStrictEqual(converse(Array.from(bytes, (byte) => Buffer.of(byte))), whole);
  });
});
