import assert from "node:assert/strict";
import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { CellDecoder, CellError, ChannelCommand, encodeChannelMessage, encodeFixedCell } from "../src/index.ts";
import { channelMessages, randomChannelMessage } from "./messages.ts";

interface Stream {
  readonly protocol: number;
  readonly bytes: Buffer;
  /** Where cells begin and end in `bytes`, roughly if it was bent. */
  readonly borders: ReadonlyArray<number>;
}

/** What a peer might send after the TLS handshake, sound or not. */
const randomStream = (random: Random): Stream => {
  const protocol = random.pick([3, 4, 5]);
  const width = protocol >= 4 ? 4 : 2;
  const cells = [encodeChannelMessage(0, channelMessages.VERSIONS(random))];
  for (let left = random.below(6); left > 0; left--) {
    const circId = 1 + random.below(0xffff);
    const message = randomChannelMessage(random);
    // VERSIONS is always encoded for a channel that has not negotiated, which this one has by now.
    if (random.oneIn(2) || message._tag === "VERSIONS") {
      cells.push(encodeFixedCell(circId, ChannelCommand.RELAY, random.bytes(random.below(510)), width));
    } else {
      try {
        cells.push(encodeChannelMessage(random.pick([0, circId]), message, width));
      } catch {
        cells.push(random.bytes(random.below(40)));
      }
    }
  }
  const sound = Buffer.concat(cells);
  let at = 0;
  const borders = cells.map((cell) => (at += cell.length));
  return { protocol, bytes: random.oneIn(3) ? random.mutate(sound) : sound, borders };
};

/** All cells that a decoder delivers, as text, and the error that it ends with. */
const decode = (protocol: number, chunks: ReadonlyArray<Buffer>): ReadonlyArray<string> => {
  const decoder = new CellDecoder({ maxVariableLength: 6000 });
  const cells: Array<string> = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    try {
      while (decoder.next()) {
        const { circId, command, bytes, cellStart, start, end } = decoder;
        assert.ok(0 <= cellStart && cellStart < start && start <= end && end <= bytes.length);
        cells.push(`${circId} ${command} ${bytes.toString("latin1", cellStart, end)}`);
        if (cells.length === 1) decoder.setLinkProtocol(protocol);
      }
    } catch (error) {
      if (!(error instanceof CellError) || error.problem !== "oversized") throw error;
      cells.push(error.message);
      break;
    }
    assert.ok(decoder.buffered <= 6007);
  }
  return cells;
};

/** Cuts bytes anywhere, but often close to a border of cells, where the decoder has most to get wrong. */
const cut = (random: Random, bytes: Buffer, borders: ReadonlyArray<number>): Array<Buffer> => {
  const chunks: Array<Buffer> = [];
  for (let at = 0; at < bytes.length; ) {
    const nearBorder = random.oneIn(2) && borders.length > 0 ? random.pick(borders) - 8 + random.below(17) : 0;
    const anywhere = at + 1 + random.below(random.oneIn(2) ? 7 : 1200);
    const to = nearBorder > at ? nearBorder : anywhere;
    // A copy, as a socket gives them: a decoder that read past its chunk would meet other bytes.
    chunks.push(Buffer.from(bytes.subarray(at, to)));
    at = to;
  }
  return chunks;
};

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "cell decoder",
    run: (random) => {
      const { protocol, bytes, borders } = randomStream(random);
      const whole = decode(protocol, [bytes]);
      assert.deepEqual(decode(protocol, cut(random, bytes, borders)), whole);
    },
  },
  {
    name: "cell decoder on noise",
    run: (random) => {
      const bytes = random.bytes(random.below(3000));
      const whole = decode(4, [bytes]);
      assert.deepEqual(decode(4, cut(random, bytes, [])), whole);
    },
  },
];
