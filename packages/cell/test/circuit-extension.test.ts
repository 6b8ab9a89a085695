import { assert, describe, it } from "@effect/vitest";
import * as Schema from "effect/Schema";
import { Random } from "../../../test/support/fuzz.ts";
import { randomRequestExtensions } from "../fuzz/messages.ts";
import {
  encodeRequestExtensions,
  encodeResponseExtensions,
  readRequestExtensions,
  readResponseExtensions,
} from "../src/index.ts";
import { hex, refuses, unencodable } from "./support.ts";

const REQUEST = "circuit request extensions";
const RESPONSE = "circuit response extensions";

describe("request extensions", () => {
  it("a client asks for congestion control, as tor does", () => {
    assert.deepStrictEqual(readRequestExtensions(hex("01 01 00")), [{ _tag: "CC_REQUEST" }]);
    assert.deepStrictEqual(encodeRequestExtensions([{ _tag: "CC_REQUEST" }]), hex("01 01 00"));
    assert.deepStrictEqual(readRequestExtensions(hex("00")), []);
  });

  // subproto_ext_valid of Arti's crates/tor-cell/src/relaycell/extend.rs.
  it("a client asks for subprotocols, in order", () => {
    const protocols = [
      { protocol: 0, version: 4 },
      { protocol: 2, version: 4 },
    ];
    const message = [{ _tag: "SUBPROTOCOL_REQUEST", protocols }] as const;
    assert.deepStrictEqual(readRequestExtensions(hex("01 03 04 00 04 02 04")), message);
    const shuffled = [{ _tag: "SUBPROTOCOL_REQUEST", protocols: protocols.toReversed() }] as const;
    assert.deepStrictEqual(encodeRequestExtensions(shuffled), hex("01 03 04 00 04 02 04"));
  });

  // subproto_invalid of the same file.
  it("refuses subprotocols that are cut, doubled or out of order", () => {
    refuses(() => readRequestExtensions(hex("01 03 03 00 04 02")), "truncated", REQUEST, 3);
    refuses(() => readRequestExtensions(hex("01 03 04 00 04 00 04")), "value", REQUEST, 2);
    refuses(() => readRequestExtensions(hex("01 03 04 02 04 00 04")), "value", REQUEST, 2);
  });

  it("keeps extensions that are not defined, and counts only the first of a type", () => {
    assert.deepStrictEqual(readRequestExtensions(hex("03 02 01 aa 01 00 02 01 bb")), [
      { _tag: "UNKNOWN", type: 2, body: hex("aa") },
      { _tag: "CC_REQUEST" },
    ]);
  });

  it("does not look at what follows a list", () => {
    assert.deepStrictEqual(readRequestExtensions(hex("01 01 00 00")), [{ _tag: "CC_REQUEST" }]);
  });

  it("refuses a list that is cut", () => {
    refuses(() => readRequestExtensions(hex("")), "truncated", REQUEST, 0);
    refuses(() => readRequestExtensions(hex("01 01")), "truncated", REQUEST, 2);
    refuses(() => readRequestExtensions(hex("01 02 03 aabb")), "truncated", REQUEST, 3);
  });

  it("does not send two of a type, or one that is too long", () => {
    unencodable(
      () => encodeRequestExtensions([{ _tag: "CC_REQUEST" }, { _tag: "CC_REQUEST" }]),
      REQUEST,
      /second extension of type 1/,
    );
    unencodable(
      () => encodeRequestExtensions([{ _tag: "UNKNOWN", type: 9, body: Buffer.alloc(256) }]),
      REQUEST,
      /EXT_FIELD_LEN 256/,
    );
    const protocols = [{ protocol: 256, version: 1 }];
    unencodable(() => encodeRequestExtensions([{ _tag: "SUBPROTOCOL_REQUEST", protocols }]), REQUEST, /protocol 256/);
  });

  it.prop("what is sent is what is read", { seed: Schema.Int }, ({ seed }) => {
    const extensions = randomRequestExtensions(new Random(seed));
    assert.deepStrictEqual(readRequestExtensions(encodeRequestExtensions(extensions)), extensions);
  });
});

describe("response extensions", () => {
  it("a relay answers with the increment of SENDMEs", () => {
    assert.deepStrictEqual(readResponseExtensions(hex("01 02 01 1f")), [{ _tag: "CC_RESPONSE", sendmeInc: 31 }]);
    assert.deepStrictEqual(encodeResponseExtensions([{ _tag: "CC_RESPONSE", sendmeInc: 31 }]), hex("01 02 01 1f"));
  });

  it("type 1 means nothing in an answer", () => {
    const unknown = [{ _tag: "UNKNOWN", type: 1, body: hex("aa") }] as const;
    assert.deepStrictEqual(readResponseExtensions(hex("01 01 01 aa")), unknown);
    assert.deepStrictEqual(encodeResponseExtensions(unknown), hex("01 01 01 aa"));
  });

  it("refuses an answer without the increment, and does not send one that does not fit", () => {
    refuses(() => readResponseExtensions(hex("01 02 00")), "truncated", RESPONSE, 0);
    unencodable(() => encodeResponseExtensions([{ _tag: "CC_RESPONSE", sendmeInc: 256 }]), RESPONSE, /sendme_inc 256/);
  });
});
