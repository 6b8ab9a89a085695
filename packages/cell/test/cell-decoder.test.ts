import { assert, describe, it } from "@effect/vitest";
import * as Schema from "effect/Schema";
import { Random } from "../../../test/support/fuzz.ts";
import { randomChannelMessage } from "../fuzz/messages.ts";
import {
  CELL_BODY_LEN,
  CellDecoder,
  ChannelCommand,
  encodeChannelMessage,
  encodeFixedCell,
  encodeVariableCell,
} from "../src/index.ts";
import { hex, padded, refuses, unencodable } from "./support.ts";

interface SeenCell {
  readonly circId: number;
  readonly command: number;
  readonly body: string;
}

/** The cells that are ready, as copies. */
const drain = (decoder: CellDecoder): Array<SeenCell> => {
  const cells: Array<SeenCell> = [];
  while (decoder.next()) {
    const { circId, command, bytes, start, end } = decoder;
    cells.push({ circId, command, body: bytes.toString("hex", start, end) });
  }
  return cells;
};

const open = (limits = {}): CellDecoder => {
  const decoder = new CellDecoder(limits);
  decoder.setLinkProtocol(4);
  return decoder;
};

/** All cells of chunks pushed one after the other. */
const decodeAll = (decoder: CellDecoder, chunks: ReadonlyArray<Buffer>): Array<SeenCell> =>
  chunks.flatMap((chunk) => {
    decoder.push(chunk);
    return drain(decoder);
  });

// Cells of Arti's crates/tor-cell/tests/test_chancell.rs.
describe("vectors", () => {
  it("test_simple_cells", () => {
    const vectors = [
      { cell: hex("00000000 00"), circId: 0, command: 0x00, body: padded("") },
      {
        cell: hex("12345678 ff 0019 7765206c697374656e20726f756e642074686520636c6f636b"),
        circId: 0x12345678,
        command: 0xff,
        body: Buffer.from("we listen round the clock"),
      },
      {
        cell: hex("20201122 03 666f72206120636f64652063616c6c656420706561636574696d65"),
        circId: 0x20201122,
        command: 3,
        body: padded("666f72206120636f64652063616c6c656420706561636574696d65"),
      },
    ];
    for (const { cell, circId, command, body } of vectors) {
      const whole = command === 0xff ? cell : Buffer.concat([cell, Buffer.alloc(5 + CELL_BODY_LEN - cell.length)]);
      const decoder = open();
      assert.deepStrictEqual(decodeAll(decoder, [Buffer.concat([whole, Buffer.from("next thing")])]), [
        { circId, command, body: body.toString("hex") },
      ]);
      assert.strictEqual(decoder.buffered, 10);
      const encode = command === 0xff ? encodeVariableCell : encodeFixedCell;
      assert.deepStrictEqual(encode(circId, command, body), whole);
    }
  });

  it("test_truncated_cells", () => {
    const starts = [
      ...["00000001 03 1234", "00000001 03 12", "00000001 03", "00000001", "000000", ""],
      ...["00000000 81 0003 1234", "00000000 81 0003 12", "00000000 81 0003", "00000000 81 00", "00000000 81"],
    ];
    for (const start of starts) {
      const decoder = open();
      assert.deepStrictEqual(decodeAll(decoder, [hex(start)]), []);
      assert.strictEqual(decoder.buffered, hex(start).length);
    }
  });

  it("versions", () => {
    const cell = hex("0000 07 0006 0004 0005 0006");
    assert.deepStrictEqual(encodeChannelMessage(0, { _tag: "VERSIONS", versions: [4, 5, 6] }), cell);
    assert.deepStrictEqual(decodeAll(new CellDecoder(), [cell]), [{ circId: 0, command: 7, body: "000400050006" }]);
  });
});

describe("CellDecoder", () => {
  it("reads circuit IDs of 2 bytes until the link protocol is set, and of 4 from the very next cell of the chunk", () => {
    const decoder = new CellDecoder();
    const relay = encodeFixedCell(0xfedcba98, ChannelCommand.RELAY, Buffer.from([1, 2, 3]));
    decoder.push(Buffer.concat([encodeChannelMessage(0, { _tag: "VERSIONS", versions: [4, 5] }), relay]));
    assert.isTrue(decoder.next());
    assert.strictEqual(decoder.command, ChannelCommand.VERSIONS);
    decoder.setLinkProtocol(5);
    assert.isTrue(decoder.next());
    assert.strictEqual(decoder.circId, 0xfedcba98);
    assert.strictEqual(decoder.command, ChannelCommand.RELAY);
    assert.isFalse(decoder.next());
  });

  it("keeps to 2 bytes with link protocol 3", () => {
    const decoder = new CellDecoder();
    decoder.setLinkProtocol(3);
    const cells = decodeAll(decoder, [encodeFixedCell(0x8001, ChannelCommand.DESTROY, Buffer.from([9]), 2)]);
    assert.deepStrictEqual(cells, [{ circId: 0x8001, command: 4, body: padded("09").toString("hex") }]);
  });

  it("reads the start of a cell again if the link protocol is set after it came", () => {
    const rest = encodeFixedCell(0x80000001, ChannelCommand.RELAY, Buffer.from([7]));
    const versions = encodeChannelMessage(0, { _tag: "VERSIONS", versions: [4] });
    for (const taken of [1, 4, 5, 6, 7, 300, 511]) {
      const decoder = new CellDecoder();
      assert.lengthOf(decodeAll(decoder, [Buffer.concat([versions, rest.subarray(0, taken)])]), 1);
      decoder.setLinkProtocol(4);
      assert.deepStrictEqual(decodeAll(decoder, [rest.subarray(taken)]), [
        { circId: 0x80000001, command: ChannelCommand.RELAY, body: padded("07").toString("hex") },
      ]);
    }
  });

  it("loses nothing if the cells that came before made one long cell under the old length", () => {
    const versions = encodeChannelMessage(0, { _tag: "VERSIONS", versions: [4] });
    // With circuit IDs of 2 bytes this is a variable-length cell of 0x0203 bytes.
    const relay = encodeFixedCell(0x80008102, ChannelCommand.RELAY, Buffer.from([7]));
    const decoder = new CellDecoder();
    assert.lengthOf(decodeAll(decoder, [Buffer.concat([versions, relay, relay.subarray(0, 5)])]), 1);
    decoder.setLinkProtocol(4);
    assert.lengthOf(decodeAll(decoder, [relay.subarray(5)]), 2);
  });

  it("shows whole cells where the socket put them", () => {
    const chunk = Buffer.concat(
      [1, 2].map((circId) => encodeFixedCell(circId, ChannelCommand.RELAY, Buffer.alloc(509, circId))),
    );
    const decoder = open();
    decoder.push(chunk);
    assert.isTrue(decoder.next());
    assert.strictEqual(decoder.bytes, chunk);
    assert.deepStrictEqual([decoder.cellStart, decoder.start, decoder.end], [0, 5, 514]);
    assert.isTrue(decoder.next());
    assert.strictEqual(decoder.bytes, chunk);
    assert.deepStrictEqual([decoder.cellStart, decoder.start, decoder.end], [514, 519, 1028]);
  });

  it("shows the header of a cell, cut or not, for the transcript of the handshake", () => {
    const certs = encodeChannelMessage(0, { _tag: "CERTS", certs: [{ type: 2, body: Buffer.alloc(900, 5) }] });
    for (const border of [certs.length, 3, 6, 500]) {
      const decoder = open();
      let seen = Buffer.alloc(0);
      for (const chunk of [certs.subarray(0, border), certs.subarray(border)]) {
        decoder.push(chunk);
        while (decoder.next()) seen = Buffer.from(decoder.bytes.subarray(decoder.cellStart, decoder.end));
      }
      assert.deepStrictEqual(seen, certs);
    }
  });

  it("delivers commands that are not defined", () => {
    const cells = decodeAll(open(), [
      Buffer.concat([encodeFixedCell(5, 101, Buffer.from([1])), encodeVariableCell(0, 200, Buffer.from([2, 3]))]),
    ]);
    assert.deepStrictEqual(cells, [
      { circId: 5, command: 101, body: padded("01").toString("hex") },
      { circId: 0, command: 200, body: "0203" },
    ]);
  });

  it("delivers an empty variable-length cell, alone and before others", () => {
    const empty = encodeChannelMessage(0, { _tag: "VPADDING", length: 0 });
    const relay = encodeFixedCell(1, ChannelCommand.RELAY, Buffer.alloc(0));
    assert.lengthOf(decodeAll(open(), [empty]), 1);
    assert.lengthOf(decodeAll(open(), [Buffer.concat([empty, relay, empty])]), 3);
  });

  it("refuses a variable-length cell above the limit as soon as its header is there, and stands still", () => {
    const cell = encodeVariableCell(0, ChannelCommand.VPADDING, Buffer.alloc(101));
    for (const sent of [7, 50, cell.length]) {
      for (const border of [0, 4, 6]) {
        const decoder = open({ maxVariableLength: 100 });
        assert.deepStrictEqual(decodeAll(decoder, [cell.subarray(0, border)]), []);
        decoder.push(cell.subarray(border, sent));
        refuses(() => decoder.next(), "oversized", "variable-length cell", 5);
        refuses(() => decoder.next(), "oversized", "variable-length cell", 5);
      }
    }
  });

  it("refuses it too when more than a cell follows", () => {
    const decoder = open({ maxVariableLength: 100 });
    decoder.push(Buffer.concat([encodeVariableCell(0, ChannelCommand.CERTS, Buffer.alloc(101)), Buffer.alloc(2000)]));
    refuses(() => decoder.next(), "oversized", "variable-length cell", 5);
  });

  it("takes variable-length cells up to the limit, and 16384 bytes unless told", () => {
    const most = encodeVariableCell(0, ChannelCommand.VPADDING, Buffer.alloc(16_384));
    assert.lengthOf(decodeAll(open(), [most]), 1);
    assert.lengthOf(decodeAll(open(), [most.subarray(0, 9000), most.subarray(9000)]), 1);
    const decoder = open();
    decoder.push(encodeVariableCell(0, ChannelCommand.VPADDING, Buffer.alloc(16_385)));
    refuses(() => decoder.next(), "oversized", "variable-length cell", 5);
    assert.lengthOf(
      decodeAll(open({ maxVariableLength: 65_535 }), [encodeVariableCell(0, 128, Buffer.alloc(65_535))]),
      1,
    );
  });

  it("lets go of a chunk that is used up", () => {
    const decoder = open();
    const chunk = encodeFixedCell(1, ChannelCommand.RELAY, Buffer.alloc(0));
    decoder.push(chunk);
    drain(decoder);
    assert.strictEqual(decoder.buffered, 0);
    assert.strictEqual(decoder.held, 0);
    assert.notStrictEqual(decoder.bytes, chunk);
  });

  it("holds a cut cell alone, and after a long one lets go of the long buffer", () => {
    const certs = encodeVariableCell(0, ChannelCommand.CERTS, Buffer.alloc(9000));
    const relay = encodeFixedCell(1, ChannelCommand.RELAY, Buffer.alloc(0));
    const decoder = open();
    assert.lengthOf(decodeAll(decoder, [certs.subarray(0, 8000)]), 0);
    assert.isAtMost(decoder.held, certs.length);
    assert.lengthOf(decodeAll(decoder, [Buffer.concat([certs.subarray(8000), relay.subarray(0, 100)])]), 1);
    assert.isAtMost(decoder.held, 1024);
    assert.lengthOf(decodeAll(decoder, [relay.subarray(100)]), 1);
  });

  it("appends a chunk that comes early, up to its limit", () => {
    const cell = encodeFixedCell(1, ChannelCommand.RELAY, Buffer.alloc(0));
    const decoder = open({ maxBacklog: 3 * cell.length });
    for (let count = 0; count < 3; count++) decoder.push(cell);
    refuses(() => decoder.push(cell), "backlog", "cell stream", 0);
    assert.lengthOf(drain(decoder), 3);
    decoder.push(cell);
    assert.lengthOf(drain(decoder), 1);
  });

  it("does not frame link protocols that it does not know", () => {
    for (const version of [1, 2, 6, 4.5, Number.NaN]) {
      unencodable(() => new CellDecoder().setLinkProtocol(version), "VERSIONS", /not one of 3 to 5/);
    }
  });

  it.prop(
    "gives the same cells for every way to cut the same bytes",
    { seed: Schema.Int, cuts: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 700 }))) },
    ({ seed, cuts }) => {
      const random = new Random(seed);
      const bytes = Buffer.concat(
        Array.from({ length: 6 }, () => {
          const message = randomChannelMessage(random);
          return message._tag === "VERSIONS"
            ? encodeFixedCell(3, ChannelCommand.RELAY, random.bytes(509))
            : encodeChannelMessage(/^(CREATE|DESTROY)/.test(message._tag) ? 9 : 0, message);
        }),
      );
      const chunks: Array<Buffer> = [];
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        chunks.push(Buffer.from(bytes.subarray(at, at + cut)));
        at += cut;
      }
      assert.deepStrictEqual(decodeAll(open(), chunks), decodeAll(open(), [bytes]));
      assert.lengthOf(decodeAll(open(), [bytes]), 6);
    },
  );
});
