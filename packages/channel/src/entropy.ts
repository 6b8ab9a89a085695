import { createCipheriv, createHash, randomFillSync } from "node:crypto";
import { Context, Layer } from "effect";

/**
 * Chance: every random byte of Allium comes from here, so that a network can be run again with the same seed. Synchronous,
 * since state machines ask for bytes in the middle of a step.
 */
export class Entropy extends Context.Service<
  Entropy,
  {
    /** `length` bytes, fit for keys when the layer is the live one. */
    readonly bytes: (length: number) => Buffer;
    /** An integer in [0, limit), without bias; `limit` at least 1, at most 2^32. */
    readonly below: (limit: number) => number;
  }
>()("allium/channel/Entropy") {}

const fromBytes = (bytes: (length: number) => Buffer): Entropy["Service"] => ({
  bytes,
  below: (limit) => {
    if (!(limit >= 1)) throw new RangeError("there is nothing to draw from");
    // Draws from the incomplete last stretch of 2^32 are thrown away: they would favour small numbers.
    const usable = 0x1_0000_0000 - (0x1_0000_0000 % limit);
    for (;;) {
      const drawn = bytes(4).readUInt32BE(0);
      if (drawn < usable) return drawn % limit;
    }
  },
});

/** Random bytes that are drawn at once, for small amounts: a call to the generator costs more than the bytes. */
const POOL_BYTES = 4_096;

/** Larger amounts come from the generator itself. */
const MOST_POOLED = 128;

/** The platform's generator. Small amounts come out of a pool, from which they are wiped as they are given out. */
const platformBytes = (): ((length: number) => Buffer) => {
  const pool = Buffer.allocUnsafeSlow(POOL_BYTES);
  let used = POOL_BYTES;
  return (length) => {
    const bytes = Buffer.allocUnsafe(length);
    if (length > MOST_POOLED) return randomFillSync(bytes);
    if (used + length > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    pool.copy(bytes, 0, used, used + length);
    pool.fill(0, used, used + length);
    used += length;
    return bytes;
  };
};

/** The platform's generator. */
export const layer: Layer.Layer<Entropy> = Layer.sync(Entropy, () => fromBytes(platformBytes()));

/** The same bytes for the same seed. For tests and simulations only: nothing that it makes is secret. */
export const layerSeeded = (seed: string): Layer.Layer<Entropy> =>
  Layer.sync(Entropy, () => {
    const digest = createHash("sha256").update(seed).digest();
    const stream = createCipheriv("aes-128-ctr", digest.subarray(0, 16), digest.subarray(16));
    return fromBytes((length) => stream.update(Buffer.alloc(length)));
  });
