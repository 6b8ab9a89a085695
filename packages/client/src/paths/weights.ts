import type { Consensus } from "@allium/netdoc";
import { Bit } from "./bits.ts";

/** What a relay is chosen for: what its bandwidth is weighted by (dir-spec 3.8.3). */
export type Position = "guard" | "middle" | "exit" | "directory";

/** The names of the weights of a position: for relays with Guard alone, with neither flag, with Exit alone, and with both. */
type Names = readonly [guard: string, neither: string, exit: string, both: string];

/** path-spec 2.2. There is none for exits in the guard position: without Guard they cannot be there. */
const names: Readonly<Record<Position, Names>> = {
  guard: ["Wgg", "Wgm", "", "Wgd"],
  middle: ["Wmg", "Wmm", "Wme", "Wmd"],
  exit: ["Weg", "Wem", "Wee", "Wed"],
  directory: ["Wbg", "Wbm", "Wbe", "Wbd"],
};

/** What a relay that serves directory requests is weighted by, besides, where it is not chosen for that. */
const directoryNames: Names = ["Wgb", "Wmb", "Web", "Wdb"];

/** What stands for a weight that the consensus does not have: all relays by their bandwidth alone. */
const unweighted: ReadonlyArray<number> = [1, 1, 1, 1];

/** The four weights of these names as fractions; undefined if one is missing or below zero. */
const read = (consensus: Consensus, names: Names): ReadonlyArray<number> | undefined => {
  const weights: Array<number> = [];
  for (const name of names) {
    const raw = name === "" ? 0 : consensus.bandwidthWeights.raw(name);
    if (raw === undefined || raw < 0) return undefined;
    weights.push(name === "" ? 0 : consensus.weight(name));
  }
  return weights;
};

/**
 * The weight of each relay of a consensus in one position: its bandwidth times what its flags make of it (path-spec 2.2,
 * dir-spec 3.8.3). If the consensus lacks a weight that the position needs, or has it below zero, its bandwidth alone counts.
 *
 * @param bits what `statusBits` makes of its relays
 */
export const positionWeights = (consensus: Consensus, bits: Uint32Array, position: Position): Float64Array => {
  const plain = read(consensus, names[position]);
  const serving = position === "directory" ? unweighted : read(consensus, directoryNames);
  const weigh = plain !== undefined && serving !== undefined;
  const weights = new Float64Array(bits.length);
  for (let index = 0; index < bits.length; index++) {
    const flags = bits[index] as number;
    const kind = (flags & Bit.guard) !== 0 ? ((flags & Bit.exit) !== 0 ? 3 : 0) : (flags & Bit.exit) !== 0 ? 2 : 1;
    const factor = !weigh
      ? 1
      : (plain[kind] as number) * ((flags & Bit.directory) !== 0 ? (serving[kind] as number) : 1);
    weights[index] = factor * (consensus.routers[index]?.bandwidth ?? 0);
  }
  return weights;
};
