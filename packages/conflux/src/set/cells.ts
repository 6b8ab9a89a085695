import { slabBytes } from "@allium/channel";
import { isMultiplexed } from "../multiplexed.ts";

/** The relay command of a plain cell in a slab. */
export const commandAt = (slab: Buffer, index: number): number => slab[slabBytes(index)] as number;

/** How many of the first cells of a slab count for sequence numbers. */
export const countedIn = (slab: Buffer, count: number): number => {
  let counted = 0;
  for (let index = 0; index < count; index++) if (isMultiplexed(commandAt(slab, index))) counted++;
  return counted;
};
