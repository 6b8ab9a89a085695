import { DEFAULT_MAX_TRAIN, slabBytes } from "./train.ts";

/** Bytes of a full train's slab, the only size that is kept. */
const FULL_SLAB_BYTES = slabBytes(DEFAULT_MAX_TRAIN);

/** Slabs that wait for their next use; the last that came back goes out first, while the processor still has it at hand. */
const free: Array<Buffer> = [];

/** Most slabs kept for later. */
const KEEP_SLABS = 32;

/** A slab of so many bytes. Its content is whatever was there. */
export const takeSlab = (bytes: number): Buffer =>
  bytes === FULL_SLAB_BYTES ? (free.pop() ?? Buffer.allocUnsafeSlow(bytes)) : Buffer.allocUnsafe(bytes);

/** Gives a slab back that nobody reads any more. */
export const releaseSlab = (slab: Buffer): void => {
  if (slab.length === FULL_SLAB_BYTES && free.length < KEEP_SLABS) free.push(slab);
};
