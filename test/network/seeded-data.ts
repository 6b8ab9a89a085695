import { type Cipheriv, createCipheriv, createHash, type Hash } from "node:crypto";

/** The largest piece that `SeededData.next` gives. */
export const CHUNK = 64 * 1024;

const ZEROS = Buffer.alloc(CHUNK);

/**
 * A stream of bytes that is the same for the same seed everywhere and never repeats (AES-128-CTR keystream), so that
 * lost, doubled and swapped parts all change its SHA-256.
 */
export class SeededData {
  private readonly cipher: Cipheriv;
  private readonly hash: Hash = createHash("sha256");
  private left: number;

  constructor(seed: number, length: number) {
    const key = createHash("sha256").update(`allium transfer ${seed}`).digest().subarray(0, 16);
    this.cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
    this.left = length;
  }

  /** The next piece, or null after the last. */
  next(limit = CHUNK): Buffer | null {
    if (this.left === 0) return null;
    const length = Math.min(this.left, limit, CHUNK);
    this.left -= length;
    const chunk = this.cipher.update(ZEROS.subarray(0, length));
    this.hash.update(chunk);
    return chunk;
  }

  /** SHA-256 of all that was given, in hex. Call it once, at the end. */
  sha256(): string {
    return this.hash.digest("hex");
  }
}

/** The same shape without the cost: one buffer again and again, no digest. For measuring what lies between. */
export class PlainData {
  private static readonly chunk = Buffer.alloc(CHUNK, "allium ");
  private left: number;

  constructor(length: number) {
    this.left = length;
  }

  next(limit = CHUNK): Buffer | null {
    if (this.left === 0) return null;
    const length = Math.min(this.left, limit, CHUNK);
    this.left -= length;
    return PlainData.chunk.subarray(0, length);
  }

  sha256(): string {
    return "-";
  }
}

/** What a transfer sends: seeded when it is checked. */
export const transferData = (length: number, seed: number, verify: boolean): SeededData | PlainData =>
  verify ? new SeededData(seed, length) : new PlainData(length);
