/**
 * What a fuzz target is: a name, and one run on bytes drawn from a seeded generator. A run must return (or throw one of
 * the package's own typed errors, which the target swallows); anything else that escapes is a finding.
 */
export interface FuzzTarget {
  readonly name: string;
  readonly run: (random: Random) => void;
}

/** A small seedable generator (sfc32): the same seed gives the same inputs on every machine. */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number) {
    this.a = seed >>> 0;
    this.b = 0x9e3779b9;
    this.c = 0x243f6a88;
    for (let round = 0; round < 12; round++) this.uint32();
  }

  /** The next 32 bits, as an unsigned integer. */
  uint32(): number {
    const sum = (this.a + this.b + this.counter++) >>> 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) >>> 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) >>> 0;
    return sum;
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Math.floor((this.uint32() / 0x1_0000_0000) * limit);
  }

  /** True once in `times` draws. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** One of the given items. */
  pick<A>(items: ReadonlyArray<A>): A {
    return items[this.below(items.length)] as A;
  }

  /** `length` random bytes. */
  bytes(length: number): Buffer {
    const out = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at++) out[at] = this.uint32() & 0xff;
    return out;
  }

  /** A copy of `bytes` with a few bytes flipped, cut, repeated or inserted: near-valid input reaches deeper than noise. */
  mutate(bytes: Uint8Array): Buffer {
    let out: Buffer = Buffer.from(bytes);
    const rounds = 1 + this.below(4);
    for (let round = 0; round < rounds; round++) {
      const at = this.below(out.length + 1);
      switch (this.below(5)) {
        case 0:
          if (out.length > 0) out[this.below(out.length)] = this.uint32() & 0xff;
          break;
        case 1:
          out = out.subarray(0, at) as Buffer;
          break;
        case 2:
          out = Buffer.concat([out.subarray(0, at), this.bytes(this.below(8)), out.subarray(at)]);
          break;
        case 3: {
          const end = at + this.below(out.length - at + 1);
          out = Buffer.concat([out.subarray(0, end), out.subarray(at, end), out.subarray(end)]);
          break;
        }
        default:
          if (out.length > 0) {
            const where = this.below(out.length);
            out[where] = this.pick([0, 1, 0x7f, 0x80, 0xff]);
          }
      }
    }
    return out;
  }
}
