/** What a consensus parameter may be, and what it is where the consensus does not say. */
export interface ParamRange {
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

/** Looks up a parameter of the consensus by its name; `undefined` if it is not there. */
export type GetParam = (name: string) => number | undefined;

/** A parameter's value: the consensus's, moved into the range, or else the default. */
export const readParam = (getParam: GetParam, name: string, range: ParamRange): number =>
  Math.min(Math.max(getParam(name) ?? range.default, range.min), range.max);

/** The largest 32-bit integer: what stands for "no limit" in the consensus. */
export const int32Max = 0x7fff_ffff;
