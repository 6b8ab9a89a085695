import { BuildTimeStateError } from "./errors.ts";
import { type Bin, binWidthMs, historyLength } from "./history.ts";
import { int32Max } from "./params.ts";

/**
 * What is kept of the build times over a restart: their histogram (path-spec 2.4.2). Plain data, to be written as JSON. How the
 * newest circuits ended is not in it (path-spec 2.4.5).
 */
export interface BuildTimeState {
  readonly version: 1;
  /** In ascending order of their times; at most {@link historyLength} build times in all. */
  readonly bins: ReadonlyArray<Bin>;
}

/**
 * Checks what was read from a file.
 *
 * @throws BuildTimeStateError at the first thing that is wrong
 */
export const readBuildTimeState = (value: unknown): BuildTimeState => {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new BuildTimeStateError("type", "", "expected an object");
  const { version, bins } = value as { readonly version?: unknown; readonly bins?: unknown };
  if (version !== 1) throw new BuildTimeStateError("version", "version", "expected 1");
  if (!Array.isArray(bins)) throw new BuildTimeStateError("type", "bins", "expected an array");
  if (bins.length > historyLength)
    throw new BuildTimeStateError("too-many", "bins", `there may be ${historyLength}, and there are ${bins.length}`);
  let previous = -1;
  let total = 0;
  const read = bins.map((bin: unknown, index): Bin => {
    const path = `bins[${index}]`;
    if (!Array.isArray(bin) || bin.length !== 2)
      throw new BuildTimeStateError("type", path, "expected a time and a count");
    const midpoint = wholeNumber(bin[0], `${path}[0]`, 0, int32Max);
    const count = wholeNumber(bin[1], `${path}[1]`, 1, historyLength);
    if (midpoint % binWidthMs !== binWidthMs / 2)
      throw new BuildTimeStateError("range", `${path}[0]`, `${midpoint} is not the middle of ${binWidthMs} ms`);
    if (midpoint <= previous)
      throw new BuildTimeStateError("order", `${path}[0]`, `${midpoint} stands behind ${previous}`);
    previous = midpoint;
    total += count;
    if (total > historyLength)
      throw new BuildTimeStateError("too-many", `${path}[1]`, `more than ${historyLength} build times`);
    return [midpoint, count];
  });
  return { version, bins: read };
};

const wholeNumber = (value: unknown, path: string, min: number, max: number): number => {
  if (typeof value !== "number") throw new BuildTimeStateError("type", path, "expected a number");
  if (!Number.isInteger(value) || value < min || value > max)
    throw new BuildTimeStateError("range", path, `expected a whole number from ${min} to ${max}, not ${value}`);
  return value;
};
