import type { PaddingSource } from "@allium/cell";
import type { Entropy } from "@allium/channel";

/** Random bytes that are drawn at once: a call to the generator costs more than the bytes. */
const POOL_BYTES = 16_384;

const sources = new WeakMap<Entropy["Service"], PaddingSource>();

/**
 * What relay cells that are not full are filled up with (tor-spec 6.1): bytes that nobody can foretell, each given out once,
 * from a pool that all circuits with this entropy share, so that an idle circuit holds none.
 */
export const paddingOf = (entropy: Entropy["Service"]): PaddingSource => {
  const known = sources.get(entropy);
  if (known !== undefined) return known;
  let pool: Buffer | undefined;
  let used = POOL_BYTES;
  const source: PaddingSource = (bytes, start, end) => {
    if (pool === undefined || used + (end - start) > POOL_BYTES) {
      pool = entropy.bytes(POOL_BYTES);
      used = 0;
    }
    pool.copy(bytes, start, used, used + (end - start));
    used += end - start;
  };
  sources.set(entropy, source);
  return source;
};
