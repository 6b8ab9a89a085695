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

/** A line of a map: start and size in hexadecimal, and a name. */
const MAPPED = /^([0-9a-f]+) ([0-9a-f]+) ./;

/**
 * The lines of a map of names (`/tmp/perf-PID.map`) that are true now. V8 only ever adds to it: where it has given the memory of
 * one function to another, both are there, and `perf` would take either.
 */
export const latestNames = (map: string): string => {
  const kept: Array<{ readonly start: number; readonly end: number; readonly line: string }> = [];
  // The newest first; what touches a newer one is gone.
  for (const line of map.split("\n").reverse()) {
    const [, from, size] = MAPPED.exec(line) ?? [];
    if (from === undefined || size === undefined) continue;
    const start = Number.parseInt(from, 16);
    const end = start + Number.parseInt(size, 16);
    let low = 0;
    for (let high = kept.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (kept[middle]!.end <= start) low = middle + 1;
      else high = middle;
    }
    // The first that ends after this one begins.
    if (kept[low] === undefined || kept[low]!.start >= end) kept.splice(low, 0, { start, end, line });
  }
  return kept.map(({ line }) => `${line}\n`).join("");
};
