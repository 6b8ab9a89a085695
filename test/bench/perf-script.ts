import type { Frame, Sample } from "./attribution.ts";

/** A frame of `perf script`: address, symbol with its offset or without, object in parentheses. */
const FRAME = /^\s+[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)? \((\S*)\)$/;

/** How V8 names its functions to `perf`: `JS:*name file:///path.ts:12:3`, with a mark for the compiler that made it. */
const SCRIPT = /^JS:[*^+~']*(.*?) ?((?:file|node|wasm):\S*?)(?::\d+){0,2}$/;

/** Reads what `perf script -F comm,ip,sym,dso` prints: one sample for each stack, all threads together. */
export const readPerfScript = (text: string): ReadonlyArray<Sample> =>
  text
    .split(/\n\n+/)
    .map((block) =>
      block
        .split("\n")
        .map((line) => FRAME.exec(line)?.[1])
        .filter((symbol) => symbol !== undefined)
        .map(frameOf),
    )
    .filter((stack) => stack.length > 0)
    .map((stack) => ({ stack, weight: 1 }));

const frameOf = (symbol: string): Frame => {
  const [, name, file] = SCRIPT.exec(symbol) ?? [];
  return name === undefined || file === undefined ? { name: symbol, file: "" } : { name, file };
};
