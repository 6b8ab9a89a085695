import {
  add,
  and,
  type Code,
  constant,
  type Func,
  get,
  I32,
  load,
  repeat,
  rotateLeft,
  set,
  shuffle,
  splat,
  store,
  subtract,
  V128,
  vectorAdd,
  vectorLoad,
  vectorOr,
  vectorShiftLeft,
  vectorShiftRight,
  vectorStore,
  vectorXor,
  xor,
} from "./assembler.ts";

// SHA-1's computation on one block (FIPS 180-4, 6.1.2), written out. The message schedule is made four words at a time by vector
// instructions, a little ahead of the rounds that use it, which are plain arithmetic: so both kinds of units of the processor work.
//
// From word 32 on the schedule's recurrence is used twice over: W[t] = ROTL2(W[t-6] ^ W[t-16] ^ W[t-28] ^ W[t-32]), in which no
// word depends on one of the same four.

const CONSTANTS = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6];
const ROUNDS = 80;
const VECTORS = ROUNDS / 4;
/** How many vectors the schedule is ahead of the rounds. */
const LEAD = 4;

// Locals, by number: the parameters, then...
const state = 0;
const pointer = 1;
const blocks = 2;
/** ...the state before the block, and the working variables a to e, five words each; */
const before = 3;
const working = 8;
/** the last eight vectors of the schedule, a constant for each twenty rounds in every lane, and one to compute with. */
const recent = 13;
const constants = 21;
const vector = 25;
const LOCALS = [...new Array(10).fill(I32), ...new Array(13).fill(V128)];

const eachWord = (code: (word: number) => Code): Code => [0, 1, 2, 3, 4].flatMap(code);

const bytesOfWords = (...words: ReadonlyArray<number>): ReadonlyArray<number> =>
  words.flatMap((word) => [4 * word, 4 * word + 1, 4 * word + 2, 4 * word + 3]);

/** Lanes of a shuffle: 0 to 3 are of the left vector, 4 to 7 of the right. */
const SECOND_TO_FIFTH = bytesOfWords(1, 2, 3, 4);
const THIRD_TO_SIXTH = bytesOfWords(2, 3, 4, 5);
const FIFTH_COMES_LAST = bytesOfWords(0, 1, 2, 4);
/** A shuffle that makes big-endian words of little-endian ones, and back. */
export const BYTES_OF_WORDS_REVERSED = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];

const ZERO = splat(constant(0));

const rotateLanes = (by: number, local: number): Code =>
  vectorOr(vectorShiftLeft(get(local), constant(by)), vectorShiftRight(get(local), constant(32 - by)));

/** Words 4 `index` to 4 `index` + 3 of the message schedule, into `recent`, and with their constants into memory. */
const schedule = (index: number, scheduleAt: number): Code => {
  const target = recent + (index % 8);
  const ago = (vectors: number): Code => get(recent + ((index - vectors) % 8));
  return [
    ...(index < 4
      ? [
          ...set(vector, vectorLoad(get(pointer), 16 * index)),
          ...set(target, shuffle(BYTES_OF_WORDS_REVERSED, get(vector), get(vector))),
        ]
      : index < 8
        ? [
            // The fourth word needs the first one of the same vector: ROTL1 of that is added afterwards.
            ...set(
              vector,
              vectorXor(
                vectorXor(ago(4), shuffle(THIRD_TO_SIXTH, ago(4), ago(3))),
                vectorXor(ago(2), shuffle(SECOND_TO_FIFTH, ago(1), ZERO)),
              ),
            ),
            ...set(target, rotateLanes(1, vector)),
            ...set(vector, shuffle(FIFTH_COMES_LAST, ZERO, get(vector))),
            ...set(target, vectorXor(get(target), rotateLanes(2, vector))),
          ]
        : [
            ...set(
              vector,
              vectorXor(vectorXor(ago(4), ago(8)), vectorXor(ago(7), shuffle(THIRD_TO_SIXTH, ago(2), ago(1)))),
            ),
            ...set(target, rotateLanes(2, vector)),
          ]),
    ...vectorStore(
      constant(0),
      scheduleAt + 16 * index,
      vectorAdd(get(target), get(constants + Math.floor(index / 5))),
    ),
  ];
};

/** Round `t`. The variables change their names from round to round instead of their places. */
const round = (t: number, scheduleAt: number): Code => {
  const [a, b, c, d, e] = [0, 1, 2, 3, 4].map((name) => working + ((name + 4 * t) % 5)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const choose = xor(get(d), and(get(b), xor(get(c), get(d))));
  const parity = xor(xor(get(b), get(c)), get(d));
  const majority = add(and(get(b), get(c)), and(get(d), xor(get(b), get(c))));
  const f = [choose, parity, majority, parity][Math.floor(t / 20)] as Code;
  return [
    ...set(e, add(add(add(get(e), load(constant(0), scheduleAt + 4 * t)), f), rotateLeft(get(a), constant(5)))),
    ...set(b, rotateLeft(get(b), constant(30))),
  ];
};

const rounds = (scheduleAt: number): Code => {
  const code: Array<Code> = [];
  for (let index = 0; index < VECTORS + LEAD; index++) {
    if (index < VECTORS) code.push(schedule(index, scheduleAt));
    for (let t = 4 * (index - LEAD); index >= LEAD && t < 4 * (index - LEAD + 1); t++) code.push(round(t, scheduleAt));
  }
  return code.flat();
};

/**
 * The function `(state, pointer, blocks)`: brings the five words at `state` past `blocks` blocks, at least one, of 64 bytes from
 * `pointer` on. `scheduleAt` is where it has {@link SCHEDULE_BYTES} for itself.
 */
export const compress = (scheduleAt: number): Func => ({
  parameters: [I32, I32, I32],
  results: [],
  locals: LOCALS,
  body: [
    ...eachWord((word) => set(before + word, load(get(state), 4 * word))),
    ...CONSTANTS.flatMap((value, index) => set(constants + index, splat(constant(value)))),
    ...repeat(
      [
        ...eachWord((word) => set(working + word, get(before + word))),
        ...rounds(scheduleAt),
        ...eachWord((word) => set(before + word, add(get(before + word), get(working + word)))),
        ...set(pointer, add(get(pointer), constant(64))),
        ...set(blocks, subtract(get(blocks), constant(1))),
      ],
      get(blocks),
    ),
    ...eachWord((word) => store(get(state), 4 * word, get(before + word))),
  ],
});

/** The message schedule, each word with its constant. */
export const SCHEDULE_BYTES = 4 * ROUNDS;
