/**
 * Cost of framing in nanoseconds per cell: the channel decoder on chunks as sockets deliver them, and the relay cell reader
 * and writer on a slab. Run it alone: `node bench/cell.bench.ts`.
 */
import {
  CELL_BODY_LEN,
  CellDecoder,
  ChannelCommand,
  encodeFixedCell,
  RelayCommand,
  relayCellV0,
  writeCellHeader,
} from "../src/index.ts";

const CELLS = 256;
const ROUNDS = 4000;
const TRAIN = 32;

/** Circuit IDs of an initiator and of a responder: those with the high bit are no small integers to the engine. */
const circIdOf = (cell: number): number => (cell % 2 === 0 ? 0x8000_0000 : 0) + 1 + (cell % 50);

const stream = Buffer.concat(
  Array.from({ length: CELLS }, (_, cell) =>
    encodeFixedCell(circIdOf(cell), ChannelCommand.RELAY, Buffer.alloc(9, cell)),
  ),
);

const chunksOf = (length: number): Array<Buffer> => {
  const chunks: Array<Buffer> = [];
  for (let at = 0; at < stream.length; at += length) chunks.push(stream.subarray(at, at + length));
  return chunks;
};

/** Takes up what was read, so that reading it is not optimised away; by integer arithmetic, which costs next to nothing. */
let sink = 0;

const decode = (chunkLength: number, copy: boolean): (() => void) => {
  const chunks = chunksOf(chunkLength);
  const slab = Buffer.alloc(TRAIN * CELL_BODY_LEN);
  const decoder = new CellDecoder();
  decoder.setLinkProtocol(5);
  return () => {
    let cell = 0;
    for (const chunk of chunks) {
      decoder.push(chunk);
      while (decoder.next()) {
        sink ^= decoder.circId ^ decoder.command ^ decoder.start ^ decoder.end;
        if (copy) decoder.bytes.copy(slab, (cell++ % TRAIN) * CELL_BODY_LEN, decoder.start, decoder.end);
      }
    }
  };
};

const slab = Buffer.alloc(TRAIN * CELL_BODY_LEN);
const data = Buffer.alloc(relayCellV0.maxDataLength, 7);

const write = (): void => {
  for (let cell = 0; cell < CELLS; cell++) {
    relayCellV0.writeMessage(slab, cell % TRAIN, RelayCommand.DATA, 1 + (cell % 50), data, 0, data.length);
  }
};

const read = (): (() => void) => {
  const reader = relayCellV0.makeReader();
  write();
  return () => {
    for (let cell = 0; cell < CELLS; cell++) {
      reader.reset(slab, cell % TRAIN);
      while (reader.next()) sink ^= reader.streamId ^ reader.command ^ reader.start ^ reader.end;
    }
  };
};

const headers = (): void => {
  for (let cell = 0; cell < CELLS; cell++) {
    sink ^= writeCellHeader(slab, (cell % TRAIN) * CELL_BODY_LEN, circIdOf(cell), ChannelCommand.RELAY);
  }
};

const cases: ReadonlyArray<readonly [string, () => void]> = [
  ["decode, chunks of 1 460 bytes", decode(1460, false)],
  ["decode, chunks of 16 384 bytes", decode(16_384, false)],
  ["decode, chunks of 65 536 bytes", decode(65_536, false)],
  ["decode and copy to a slab, chunks of 16 384 bytes", decode(16_384, true)],
  ["write a full DATA cell", write],
  ["read a DATA cell", read()],
  ["write a cell header", headers],
];

for (const [name, run] of cases) {
  for (let round = 0; round < ROUNDS / 4; round++) run();
  const times: Array<number> = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.hrtime.bigint();
    run();
    times.push(Number(process.hrtime.bigint() - before) / CELLS);
  }
  times.sort((one, other) => one - other);
  console.log(`${name.padEnd(52)} ${times[ROUNDS / 2]!.toFixed(1).padStart(7)} ns per cell`);
}
if (!Number.isFinite(sink)) throw new Error("nothing was read");
