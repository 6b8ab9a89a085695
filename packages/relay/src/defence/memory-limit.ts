import { totalmem } from "node:os";

const MEBIBYTE = 1_048_576;
const GIBIBYTE = 1_024 * MEBIBYTE;

/**
 * How much may wait in a relay on a machine with so much memory, if its operator does not say: `tor`'s rule for
 * `MaxMemInQueues`. Three quarters of a small machine, two fifths of one with 8 GiB or more; between 256 MiB and 8 GiB.
 */
export const memoryLimitFor = (bytes: number): number => {
  const share = bytes >= 8 * GIBIBYTE ? (bytes / 5) * 2 : (bytes / 4) * 3;
  return Math.floor(Math.min(Math.max(share, 256 * MEBIBYTE), 8 * GIBIBYTE));
};

/** The memory of this machine, or of the container that the process is in. */
export const machineMemory = (): number => {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
};
