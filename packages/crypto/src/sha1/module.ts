import {
  add,
  add64,
  and,
  assemble,
  type Code,
  call,
  constant,
  constant64,
  type Func,
  firstOf64,
  get,
  I32,
  isGreater,
  load,
  load64,
  narrow,
  set,
  shiftLeft,
  shiftLeft64,
  shiftRight,
  shuffle,
  splat,
  splat64,
  store64,
  storeByte,
  subtract,
  vectorLoad,
  vectorStore,
  when,
  widen,
} from "./assembler.ts";
import { BYTES_OF_WORDS_REVERSED, compress, SCHEDULE_BYTES } from "./compress.ts";

// The module's memory:
//
// | what | bytes |
// | --- | --- |
// | the record of the digest that is at work | 128 |
// | its record before the bytes that were added last | 128 |
// | the message schedule | 320 |
// | the last block or two of a message, padded | 128, and as much again that padding may overwrite |
// | the last 64 bytes of what was added before, then what is to be added | 64, and the rest |
//
// A record is all that there is to know of a digest: its state (5 words), the count of its bytes (8, at 24), the last 64 of them
// (at 32), and the digest that `finish` found (20, at 96). The last 64 bytes, whether they are in the state already or not: so that the
// beginning of a block always stands right before the bytes that follow it.

const RECORD = 0;
const COUNT = 24;
const TAIL = 32;
const BLOCK = 64;

/** Bytes of a record, which begins the memory. */
export const RECORD_BYTES = 128;
/** Where in a record the 20 bytes of the digest are, which {@link Sha1Module.finish} puts there. */
export const FINISHED = 96;

const PREVIOUS = RECORD + RECORD_BYTES;
const SCHEDULE = PREVIOUS + RECORD_BYTES;
const PADDED = SCHEDULE + SCHEDULE_BYTES;
const BEFORE = PADDED + 4 * BLOCK;

/** Where bytes that are to be added go. */
export const INPUT = BEFORE + BLOCK;

const PAGE_BYTES = 65_536;

/** How many can be added at once. */
export const MAX_INPUT_BYTES = PAGE_BYTES - INPUT;

/** SHA-1's state before the first block (FIPS 180-4, 5.3.1). */
export const INITIAL_STATE = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);

/** Code that copies bytes, a multiple of sixteen of them. */
const copy = (bytes: number, to: Code, toOffset: number, from: Code, fromOffset: number): Code =>
  Array.from({ length: bytes / 16 }, (_, index) =>
    vectorStore(to, toOffset + 16 * index, vectorLoad(from, fromOffset + 16 * index)),
  ).flat();

const NOWHERE = constant(0);
const record = {
  count: load64(NOWHERE, RECORD + COUNT),
  pending: and(narrow(load64(NOWHERE, RECORD + COUNT)), constant(63)),
};

const COMPRESS = 0;

const absorb = ((): Func => {
  const [length, pending, blocks] = [0, 1, 2];
  return {
    exportedAs: "absorb",
    parameters: [I32],
    results: [],
    locals: [I32, I32],
    body: [
      ...copy(RECORD_BYTES, NOWHERE, PREVIOUS, NOWHERE, RECORD),
      ...copy(BLOCK, NOWHERE, BEFORE, NOWHERE, RECORD + TAIL),
      ...set(pending, record.pending),
      ...store64(NOWHERE, RECORD + COUNT, add64(record.count, widen(get(length)))),
      ...set(blocks, shiftRight(add(get(pending), get(length)), constant(6))),
      ...when(get(blocks), call(COMPRESS, constant(RECORD), subtract(constant(INPUT), get(pending)), get(blocks))),
      ...copy(BLOCK, NOWHERE, RECORD + TAIL, get(length), INPUT - BLOCK),
    ],
  };
})();

/** Code that turns round the bytes of each of four words. */
const toBigEndian = (offset: number): Code => {
  const words = vectorLoad(NOWHERE, offset);
  return vectorStore(NOWHERE, offset, shuffle(BYTES_OF_WORDS_REVERSED, words, words));
};

const REVERSED = Array.from({ length: 16 }, (_, index) => 15 - index);

const finish = ((): Func => {
  const [pending, bytes] = [0, 1];
  const zero = splat(constant(0));
  const bits = splat64(shiftLeft64(record.count, constant64(3)));
  return {
    exportedAs: "finish",
    parameters: [],
    results: [I32],
    locals: [I32, I32],
    body: [
      ...set(pending, record.pending),
      // What of the tail is not in the state yet, a one bit, zeros, and the count of bits at the end of a block: of the next one, if
      // there is no room in this one.
      ...copy(BLOCK, NOWHERE, PADDED, subtract(constant(BLOCK), get(pending)), RECORD + TAIL),
      ...storeByte(get(pending), PADDED, constant(0x80)),
      ...Array.from({ length: 8 }, (_, index) => vectorStore(get(pending), PADDED + 1 + 16 * index, zero)).flat(),
      ...set(bytes, shiftLeft(add(constant(1), isGreater(get(pending), constant(BLOCK - 9))), constant(6))),
      ...store64(get(bytes), PADDED - 8, firstOf64(shuffle(REVERSED, bits, bits))),
      ...copy(32, NOWHERE, RECORD + FINISHED, NOWHERE, RECORD),
      ...call(COMPRESS, constant(RECORD + FINISHED), constant(PADDED), shiftRight(get(bytes), constant(6))),
      ...load(NOWHERE, RECORD + FINISHED),
      ...toBigEndian(RECORD + FINISHED),
      ...toBigEndian(RECORD + FINISHED + 16),
    ],
  };
})();

const undo: Func = {
  exportedAs: "undo",
  parameters: [],
  results: [],
  locals: [],
  body: copy(RECORD_BYTES, NOWHERE, RECORD, NOWHERE, PREVIOUS),
};

/** SHA-1 over one digest at a time, whose record is at the beginning of `memory`. */
export interface Sha1Module {
  readonly memory: Buffer;
  /** Adds the first `length` bytes at {@link INPUT}; at most {@link MAX_INPUT_BYTES}. */
  readonly absorb: (length: number) => void;
  /** The digest of all bytes so far, into the record; its first word. More bytes may follow. */
  readonly finish: () => number;
  /** Takes back the last {@link absorb}, and what {@link finish} has found since. Not twice in a row. */
  readonly undo: () => void;
}

interface Exports extends Omit<Sha1Module, "memory"> {
  readonly memory: { readonly buffer: ArrayBuffer };
}

/** What is used of the platform's object, of which only browsers' types know. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** Assembles and starts the module: a millisecond or two. */
export const makeSha1Module = (): Sha1Module => {
  const module = new WebAssembly.Module(assemble([compress(SCHEDULE), absorb, finish, undo]));
  const exports = new WebAssembly.Instance(module).exports as Exports;
  return { ...exports, memory: Buffer.from(exports.memory.buffer) };
};
