import { Bit } from "./bits.ts";
import type { RelayTable } from "./relay-table.ts";

const known = new WeakMap<Uint32Array, number>();

/** The share, from 0 to 1, of the exits that offer conflux, whatever their weights (proposal 329, 2.4.1). Bad exits count as none. */
export const confluxExitShare = ({ bits }: RelayTable): number => {
  const before = known.get(bits);
  if (before !== undefined) return before;
  let exits = 0;
  let offering = 0;
  for (const relay of bits) {
    if ((relay & Bit.exit) === 0) continue;
    exits++;
    if ((relay & Bit.conflux) !== 0) offering++;
  }
  const share = exits === 0 ? 0 : offering / exits;
  known.set(bits, share);
  return share;
};
