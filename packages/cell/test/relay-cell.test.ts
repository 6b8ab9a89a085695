import { assert, describe, it } from "@effect/vitest";
import type { PaddingSource } from "../src/index.ts";
import {
  acceptsStreamId,
  CELL_BODY_LEN,
  getRelayDigest,
  hasZeroRecognized,
  RELAY_V0_DIGEST_LEN,
  RELAY_V0_DIGEST_OFFSET,
  RELAY_V0_MAX_DATA,
  RELAY_V0_RECOGNIZED_OFFSET,
  RelayCommand,
  readForwardMessage,
  relayCellV0,
  setRelayDigest,
  writeRelayMessage,
} from "../src/index.ts";
import { hex, refuses, unencodable } from "./support.ts";

/** Padding that cannot be mistaken; BadRng of Arti's crates/tor-cell/tests/test_relaycell.rs. */
const f0: PaddingSource = (bytes, start, end) => bytes.fill(0xf0, start, end);

/** A slab with the cell at `index`, amid cells of other bytes. */
const slabWith = (cell: string, index: number): Buffer => {
  const slab = Buffer.alloc(3 * CELL_BODY_LEN, 0xee).fill(0xf0, index * CELL_BODY_LEN, (index + 1) * CELL_BODY_LEN);
  hex(cell).copy(slab, index * CELL_BODY_LEN);
  return slab;
};

const readerAt = (cell: string, index: number) => {
  const reader = relayCellV0.makeReader();
  reader.reset(slabWith(cell, index), index);
  return reader;
};

// test_cells_v0 of Arti's crates/tor-cell/tests/test_relaycell.rs.
describe("vectors, test_cells_v0", () => {
  const cell = "02 0000 9999 12345678 000c 6e6565642d746f2d6b6e6f77 00000000";

  it.each([0, 1, 2])("is read and written at index %i of a slab", (index) => {
    const reader = readerAt(cell, index);
    assert.isTrue(reader.next());
    assert.strictEqual(reader.command, RelayCommand.DATA);
    assert.strictEqual(reader.streamId, 0x9999);
    assert.strictEqual(reader.bytes.toString("latin1", reader.start, reader.end), "need-to-know");
    assert.deepStrictEqual(readForwardMessage(reader), { _tag: "DATA", data: Buffer.from("need-to-know") });
    assert.isFalse(reader.next());

    const slab = Buffer.alloc(3 * CELL_BODY_LEN, 0xee);
    const data = Buffer.from("I need-to-know!");
    relayCellV0.writeMessage(slab, index, RelayCommand.DATA, 0x9999, data, 2, 14, f0);
    setRelayDigest(slab, index, 0x12345678);
    assert.deepStrictEqual(slab, slabWith(cell, index));
  });

  it("a length one byte too big is refused, the one below is not", () => {
    const tooBig = readerAt("02 0000 9999 12345678 01f3 6e6565642d746f2d6b6e6f77 00000000", 1);
    refuses(() => tooBig.next(), "length", "RELAY cell", 9);
    assert.isFalse(tooBig.next());
    const most = readerAt("02 0000 9999 12345678 01f2 6e6565642d746f2d6b6e6f77 00000000", 1);
    assert.isTrue(most.next());
    assert.strictEqual(most.end - most.start, 498);
    assert.strictEqual(most.end, 2 * CELL_BODY_LEN);
  });
});

describe("reader", () => {
  it("is used again for cell after cell, also after one that was refused", () => {
    const slab = Buffer.alloc(3 * CELL_BODY_LEN);
    const reader = relayCellV0.makeReader();
    for (const index of [0, 2]) {
      relayCellV0.writeMessage(slab, index, RelayCommand.DATA, 5, Buffer.from([index]), 0, 1);
    }
    slab.writeUInt16BE(0xffff, CELL_BODY_LEN + 9);
    reader.reset(slab, 0);
    assert.isTrue(reader.next());
    assert.strictEqual(slab[reader.start], 0);
    reader.reset(slab, 1);
    refuses(() => reader.next(), "length", "RELAY cell", 9);
    reader.reset(slab, 2);
    assert.isTrue(reader.next());
    assert.strictEqual(slab[reader.start], 2);
  });

  it("refuses a stream ID that the command cannot have", () => {
    refuses(() => readerAt("02 0000 0000 00000000 0001 00", 0).next(), "stream-id", "RELAY cell", 3);
    refuses(() => readerAt("0e 0000 0001 00000000 0001 00", 0).next(), "stream-id", "RELAY cell", 3);
  });

  it("delivers commands that are not defined, of the circuit or a stream", () => {
    for (const streamId of ["0000", "0007"]) {
      const reader = readerAt(`f9 0000 ${streamId} 00000000 0001 00`, 0);
      assert.isTrue(reader.next());
      assert.deepStrictEqual(readForwardMessage(reader), { _tag: "UNRECOGNIZED", command: 0xf9 });
    }
  });
});

describe("stream IDs (test_streamid)", () => {
  it("messages of streams need one, those of the circuit have none, SENDME and unknown ones either", () => {
    const ofStreams = ["BEGIN", "DATA", "END", "CONNECTED", "RESOLVE", "RESOLVED", "BEGIN_DIR", "XON", "XOFF"];
    for (const [name, command] of Object.entries(RelayCommand)) {
      assert.strictEqual(acceptsStreamId(command, 2), ofStreams.includes(name) || name === "SENDME", name);
      assert.strictEqual(acceptsStreamId(command, 0), !ofStreams.includes(name), name);
    }
    assert.isTrue(acceptsStreamId(16, 0) && acceptsStreamId(16, 1) && acceptsStreamId(255, 0));
  });
});

describe("writer", () => {
  const pad = (length: number, padding?: PaddingSource): Buffer => {
    const slab = Buffer.alloc(CELL_BODY_LEN, 0xee);
    relayCellV0.writeMessage(slab, 0, RelayCommand.DATA, 1, Buffer.alloc(498, 0xdd), 0, length, padding);
    return slab.subarray(11 + length);
  };

  it("pads with four zeros and then what the source gives", () => {
    assert.deepStrictEqual(pad(490, f0), hex("00000000 f0f0f0f0"));
    assert.deepStrictEqual(pad(493, f0), hex("00000000 f0"));
  });

  it("does not ask the source if zeros are all that fits", () => {
    const never: PaddingSource = () => assert.fail("asked for padding");
    for (const length of [494, 497, 498]) assert.deepStrictEqual(pad(length, never), Buffer.alloc(498 - length));
  });

  it("pads with zeros without a source", () => assert.deepStrictEqual(pad(0), Buffer.alloc(498)));

  it("has room for 498 bytes", () => {
    assert.strictEqual(relayCellV0.maxDataLength, RELAY_V0_MAX_DATA);
    const slab = Buffer.alloc(CELL_BODY_LEN);
    const write = (length: number) => () =>
      relayCellV0.writeMessage(slab, 0, RelayCommand.DATA, 1, Buffer.alloc(499), 0, length);
    write(498)();
    unencodable(write(499), "RELAY cell", /499 bytes of data/);
  });

  it("refuses a stream ID that the command cannot have", () => {
    const slab = Buffer.alloc(CELL_BODY_LEN);
    const nothing = Buffer.alloc(0);
    const write = (command: number, streamId: number) => () =>
      relayCellV0.writeMessage(slab, 0, command, streamId, nothing, 0, 0);
    unencodable(write(RelayCommand.DATA, 0), "RELAY cell", /DATA on stream 0/);
    unencodable(write(RelayCommand.EXTEND2, 9), "RELAY cell", /EXTEND2 on stream 9/);
    unencodable(
      () => writeRelayMessage(relayCellV0, slab, 0, 3, { _tag: "SENDME", version: 1, tag: Buffer.alloc(20) }),
      "SENDME",
      /version 1 on a stream/,
    );
  });
});

describe("fields of the cipher", () => {
  it("lie where the specification says", () => {
    const slab = slabWith("02 0000 9999 8899aabb 0000", 2);
    assert.isTrue(hasZeroRecognized(slab, 2));
    assert.strictEqual(getRelayDigest(slab, 2), 0x8899aabb | 0);
    const at = 2 * CELL_BODY_LEN;
    const digestAt = at + RELAY_V0_DIGEST_OFFSET;
    assert.deepStrictEqual(slab.subarray(digestAt, digestAt + RELAY_V0_DIGEST_LEN), hex("8899aabb"));
    for (const byte of [0, 1]) {
      slab[at + RELAY_V0_RECOGNIZED_OFFSET + byte] = 1;
      assert.isFalse(hasZeroRecognized(slab, 2));
      slab[at + RELAY_V0_RECOGNIZED_OFFSET + byte] = 0;
    }
  });

  it("can be set and set back", () => {
    const slab = slabWith("02 0000 9999 8899aabb 0000", 1);
    const before = Buffer.from(slab);
    const digest = getRelayDigest(slab, 1);
    setRelayDigest(slab, 1, 0);
    assert.strictEqual(getRelayDigest(slab, 1), 0);
    setRelayDigest(slab, 1, digest);
    assert.deepStrictEqual(slab, before);
  });
});
