import type { Entropy } from "@allium/channel";
import type { Random } from "../paths/index.ts";

const HIGH = 0x20_0000;
const LOW = 0x1_0000_0000;

/** Numbers from 0 to less than 1, with all 53 bits that a number has. */
export const uniformFrom = ({ below }: Entropy["Service"]): Random => ({
  uniform: () => (below(HIGH) * LOW + below(LOW)) / (HIGH * LOW),
});
