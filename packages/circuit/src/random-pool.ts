import type { PaddingSource } from "@allium/cell";
import type { Entropy } from "@allium/channel";

/** Random bytes that are drawn at once: a call to the generator costs more than the bytes. */
const POOL_BYTES = 16_384;

/** Random bytes in small amounts, each given out once, drawn from the generator in large ones. */
export class RandomPool {
  private readonly entropy: Entropy["Service"];
  private bytes: Buffer = Buffer.alloc(0);
  private used = 0;

  constructor(entropy: Entropy["Service"]) {
    this.entropy = entropy;
  }

  /** Fills `bytes[start, end)`, at most a cell: what relay cells that are not full are filled up with (tor-spec 6.1). */
  readonly fill: PaddingSource = (bytes, start, end) => {
    const length = end - start;
    this.need(length);
    this.bytes.copy(bytes, start, this.used, this.used + length);
    this.used += length;
  };

  /** An integer in [0, limit), without bias; `limit` at most 65536. */
  readonly below = (limit: number): number => {
    const usable = 0x1_0000 - (0x1_0000 % limit);
    for (;;) {
      this.need(2);
      const drawn = this.bytes.readUInt16LE(this.used);
      this.used += 2;
      if (drawn < usable) return drawn % limit;
    }
  };

  private need(length: number): void {
    if (this.used + length <= this.bytes.length) return;
    this.bytes = this.entropy.bytes(POOL_BYTES);
    this.used = 0;
  }
}

const pools = new WeakMap<Entropy["Service"], RandomPool>();

/** The pool that all circuits with this entropy share, so that an idle circuit holds none. */
export const randomPoolOf = (entropy: Entropy["Service"]): RandomPool => {
  let pool = pools.get(entropy);
  if (pool === undefined) {
    pool = new RandomPool(entropy);
    pools.set(entropy, pool);
  }
  return pool;
};
