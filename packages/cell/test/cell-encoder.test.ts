import { assert, describe, it } from "@effect/vitest";
import { ChannelCommand, encodeFixedCell, encodeVariableCell, writeCellHeader } from "../src/index.ts";
import { hex, padded, unencodable } from "./support.ts";

describe("writeCellHeader", () => {
  it("writes circuit ID and command where it is told, and says where the body goes", () => {
    const out = Buffer.alloc(12, 0xaa);
    assert.strictEqual(writeCellHeader(out, 1, 0xfedcba98, ChannelCommand.RELAY), 6);
    assert.strictEqual(writeCellHeader(out, 7, 0x8001, ChannelCommand.RELAY_EARLY, 2), 10);
    assert.deepStrictEqual(out, hex("aa fedcba98 03 aa 8001 09 aaaa"));
  });
});

describe("encodeFixedCell", () => {
  it("pads with zeros to 514 bytes, or 512 with narrow circuit IDs", () => {
    const body = Buffer.from([1, 2]);
    assert.deepStrictEqual(encodeFixedCell(1, 4, body), Buffer.concat([hex("00000001 04"), padded("0102")]));
    assert.deepStrictEqual(encodeFixedCell(1, 4, body, 2), Buffer.concat([hex("0001 04"), padded("0102")]));
  });

  it("refuses what does not fit", () => {
    unencodable(() => encodeFixedCell(1, 3, Buffer.alloc(510)), "cell", /510 bytes is longer than 509/);
    unencodable(() => encodeFixedCell(0x1_0000_0000, 3, Buffer.alloc(1)), "cell", /does not fit 4 bytes/);
    unencodable(() => encodeFixedCell(0x1_0000, 3, Buffer.alloc(1), 2), "cell", /does not fit 2 bytes/);
    unencodable(() => encodeFixedCell(-1, 3, Buffer.alloc(1)), "cell", /circuit ID -1/);
    unencodable(() => encodeFixedCell(0, ChannelCommand.CERTS, Buffer.alloc(1)), "cell", /of variable length/);
  });
});

describe("encodeVariableCell", () => {
  it("writes the length before the body", () => {
    assert.deepStrictEqual(encodeVariableCell(0, 129, Buffer.from([7, 8])), hex("00000000 81 0002 0708"));
    assert.deepStrictEqual(encodeVariableCell(0, 7, Buffer.from([7, 8]), 2), hex("0000 07 0002 0708"));
  });

  it("refuses what does not fit", () => {
    unencodable(() => encodeVariableCell(0, 128, Buffer.alloc(65_536)), "cell", /longer than 65535/);
    unencodable(() => encodeVariableCell(0, ChannelCommand.NETINFO, Buffer.alloc(1)), "cell", /of fixed length/);
    unencodable(() => encodeVariableCell(0.5, 128, Buffer.alloc(1)), "cell", /circuit ID 0.5/);
  });
});
