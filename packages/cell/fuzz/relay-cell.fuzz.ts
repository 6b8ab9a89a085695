import assert from "node:assert/strict";
import type { FuzzTarget } from "../../../test/support/fuzz.ts";
import {
  acceptsStreamId,
  CELL_BODY_LEN,
  CellError,
  encodeRelayBody,
  RelayCommand,
  readBackwardMessage,
  readForwardMessage,
  relayCellV0,
  writeRelayMessage,
} from "../src/index.ts";
import { randomRelayMessage } from "./messages.ts";

const CELLS = 3;

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "relay cell reader",
    run: (random) => {
      const slab = random.bytes(CELLS * CELL_BODY_LEN);
      const reader = relayCellV0.makeReader();
      for (let index = 0; index < CELLS; index++) {
        const at = index * CELL_BODY_LEN;
        // Lengths and commands that are nearly right reach further than noise.
        if (!random.oneIn(4)) slab[at] = random.below(46);
        if (!random.oneIn(4)) slab.writeUInt16BE(random.below(500), at + 9);
        if (random.oneIn(2)) slab.writeUInt16BE(0, at + 3);
        reader.reset(slab, index);
        try {
          while (reader.next()) {
            assert.equal(reader.start, at + 11);
            assert.ok(reader.start <= reader.end && reader.end <= at + CELL_BODY_LEN);
            assert.ok(acceptsStreamId(reader.command, reader.streamId));
            (random.oneIn(2) ? readForwardMessage : readBackwardMessage)(reader);
          }
        } catch (error) {
          if (!(error instanceof CellError)) throw error;
        }
        assert.equal(reader.next(), false);
      }
    },
  },
  {
    name: "relay cell writer",
    run: (random) => {
      const slab = random.bytes(CELLS * CELL_BODY_LEN);
      const before = Buffer.from(slab);
      const index = random.below(CELLS);
      const message = randomRelayMessage(random);
      const ofStream = message._tag === "SENDME" ? message.version === 0 && random.oneIn(2) : undefined;
      const streamId = (ofStream ?? !acceptsStreamId(RelayCommand[message._tag], 0)) ? 1 + random.below(65_535) : 0;
      const padding = random.oneIn(2)
        ? undefined
        : (bytes: Buffer, start: number, end: number) => bytes.fill(9, start, end);
      writeRelayMessage(relayCellV0, slab, index, streamId, message, padding);
      const from = index * CELL_BODY_LEN;
      const to = from + CELL_BODY_LEN;
      assert.deepEqual(slab.subarray(0, from), before.subarray(0, from));
      assert.deepEqual(slab.subarray(to), before.subarray(to));
      const reader = relayCellV0.makeReader();
      reader.reset(slab, index);
      assert.equal(reader.next(), true);
      assert.equal(reader.command, RelayCommand[message._tag]);
      assert.equal(reader.streamId, streamId);
      assert.deepEqual(slab.subarray(reader.start, reader.end), encodeRelayBody(message));
      for (let at = reader.end; at < to; at++) {
        assert.equal(slab[at], padding === undefined || at < reader.end + 4 ? 0 : 9);
      }
      assert.equal(reader.next(), false);
    },
  },
];
