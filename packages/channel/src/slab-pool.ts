import { DEFAULT_MAX_TRAIN, slabBytes } from "./train.ts";

// Each train passes through several buffers. Left to the garbage collector, thousands of them lie about before their memory is used
// again, none of it in the processor's caches any more. So whoever is done with one says so, and the next gets the same memory.

/** Bytes of a full train's slab, the only size that is kept. */
const FULL_SLAB_BYTES = slabBytes(DEFAULT_MAX_TRAIN);

/** Slabs that wait for their next use; the last that came back goes out first. */
const free: Array<Buffer> = [];

/** Most slabs kept for later. */
const KEEP_SLABS = 32;

/** Below this the platform cuts buffers out of larger ones, and it is not worth the trouble. */
const MIN_RELEASED_BYTES = 4_096;

/** A slab of so many bytes. Its content is whatever was there. */
export const takeSlab = (bytes: number): Buffer =>
  bytes === FULL_SLAB_BYTES ? (free.pop() ?? Buffer.allocUnsafeSlow(bytes)) : Buffer.allocUnsafe(bytes);

/**
 * Gives the memory of a buffer back, now and not when it is collected. It must be the caller's own and nobody may read it from
 * then on; a view of something larger is left alone.
 */
export const releaseBytes = (bytes: Buffer): void => {
  const { buffer, length } = bytes;
  if (length < MIN_RELEASED_BYTES || length !== buffer.byteLength) return;
  if (length === FULL_SLAB_BYTES && free.length < KEEP_SLABS) free.push(bytes);
  else (buffer as ArrayBuffer).transfer(0);
};
