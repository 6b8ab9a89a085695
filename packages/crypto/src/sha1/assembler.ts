// The instructions of WebAssembly that the digest needs, as functions of their operands: an expression nests here as it does in
// any language, and its value is its code (WebAssembly Core Specification 2.0, chapter 5, "Binary Format").

/** Code, as bytes of the binary format. */
export type Code = ReadonlyArray<number>;

/** 32-bit and 64-bit integers, vectors of 128 bits. */
export const I32 = 0x7f;
export const I64 = 0x7e;
export const V128 = 0x7b;
export type ValueType = typeof I32 | typeof I64 | typeof V128;

/** LEB128, as all numbers of the format are written. */
const unsigned = (value: number): Code => {
  const low = value & 0x7f;
  const rest = value >>> 7;
  return rest === 0 ? [low] : [low | 0x80, ...unsigned(rest)];
};

const signed = (value: number): Code => {
  const low = value & 0x7f;
  const rest = value >> 7;
  const isLast = (rest === 0 && low < 0x40) || (rest === -1 && low >= 0x40);
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
};

const operation =
  (...opcode: ReadonlyArray<number>) =>
  (...operands: ReadonlyArray<Code>): Code => [...operands.flat(), ...opcode];

const VECTOR = 0xfd;
const vectorOperation = (opcode: number) => operation(VECTOR, ...unsigned(opcode));

/** An access at `base + offset`, of which no alignment is promised. */
const access =
  (...opcode: ReadonlyArray<number>) =>
  (base: Code, offset: number, ...value: ReadonlyArray<Code>): Code => [
    ...base,
    ...value.flat(),
    ...opcode,
    0,
    ...unsigned(offset),
  ];

export const constant = (value: number): Code => [0x41, ...signed(value | 0)];
export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)];
export const call = (func: number, ...operands: ReadonlyArray<Code>): Code => [
  ...operands.flat(),
  0x10,
  ...unsigned(func),
];

const NO_VALUE = 0x40;
export const when = (condition: Code, body: Code): Code => [...condition, 0x04, NO_VALUE, ...body, 0x0b];
/** Runs `body`, and again for as long as `condition` is not zero then. */
export const repeat = (body: Code, condition: Code): Code => [0x03, NO_VALUE, ...body, ...condition, 0x0d, 0, 0x0b];

export const add = operation(0x6a);
export const subtract = operation(0x6b);
export const and = operation(0x71);
export const xor = operation(0x73);
export const shiftLeft = operation(0x74);
export const shiftRight = operation(0x76);
export const rotateLeft = operation(0x77);
export const isGreater = operation(0x4b);
export const load = access(0x28);
export const store = access(0x36);
export const storeByte = access(0x3a);

export const add64 = operation(0x7c);
export const shiftLeft64 = operation(0x86);
export const load64 = access(0x29);
export const store64 = access(0x37);
export const constant64 = (value: number): Code => [0x42, ...signed(value)];
/** A 32-bit integer without a sign as one of 64 bits, and the lower half of one of 64 bits. */
export const widen = operation(0xad);
export const narrow = operation(0xa7);

export const vectorLoad = access(VECTOR, 0);
export const vectorStore = access(VECTOR, 11);
export const vectorXor = vectorOperation(0x51);
export const vectorOr = vectorOperation(0x50);
/** Of four 32-bit lanes. */
export const vectorAdd = vectorOperation(0xae);
export const vectorShiftLeft = vectorOperation(0xab);
export const vectorShiftRight = vectorOperation(0xad);
/** Four lanes of one 32-bit integer, two of one of 64 bits. */
export const splat = vectorOperation(0x11);
export const splat64 = vectorOperation(0x12);
/** The first of two 64-bit lanes. */
export const firstOf64 = operation(VECTOR, 29, 0);
/** Sixteen of the bytes of two vectors, by their index among all thirty-two. */
export const shuffle = (indices: ReadonlyArray<number>, left: Code, right: Code): Code => [
  ...left,
  ...right,
  VECTOR,
  13,
  ...indices,
];

/** A function of a module. Locals are numbered from the first parameter on. */
export interface Func {
  readonly parameters: ReadonlyArray<ValueType>;
  readonly results: ReadonlyArray<ValueType>;
  readonly locals: ReadonlyArray<ValueType>;
  readonly body: Code;
  /** The name under which it can be called from outside. */
  readonly exportedAs?: string;
}

const list = (items: ReadonlyArray<Code>): Code => [...unsigned(items.length), ...items.flat()];
const sized = (bytes: Code): Code => [...unsigned(bytes.length), ...bytes];
const section = (id: number, items: ReadonlyArray<Code>): Code => [id, ...sized(list(items))];
const exported = (name: string, kind: number, index: number): Code => [
  ...sized([...Buffer.from(name)]),
  kind,
  ...unsigned(index),
];

const MAGIC_AND_VERSION: Code = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const FUNCTION_TYPE = 0x60;
const EXPORTED_FUNCTION = 0;
const EXPORTED_MEMORY = 2;
const END = 0x0b;

/** A module of these functions, which `call` by their index, and of one page of memory, exported as `memory`. */
export const assemble = (functions: ReadonlyArray<Func>): Uint8Array<ArrayBuffer> => {
  const types = functions.map(({ parameters, results }) => [FUNCTION_TYPE, ...sized(parameters), ...sized(results)]);
  const exports = functions.flatMap(({ exportedAs }, index) =>
    exportedAs === undefined ? [] : [exported(exportedAs, EXPORTED_FUNCTION, index)],
  );
  const bodies = functions.map(({ locals, body }) => sized([...list(locals.map((type) => [1, type])), ...body, END]));
  return Uint8Array.from([
    ...MAGIC_AND_VERSION,
    ...section(1, types),
    ...section(3, [...functions.keys()].map(unsigned)),
    ...section(5, [[1, 1, 1]]),
    ...section(7, [exported("memory", EXPORTED_MEMORY, 0), ...exports]),
    ...section(10, bodies),
  ]);
};
