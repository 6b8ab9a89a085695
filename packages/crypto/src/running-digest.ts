import { createHash, type Hash } from "node:crypto";
import { type RelaySuite, relayPayloadLength, sendmeTagLength } from "./relay-keys.ts";
import { Sha1 } from "./sha1/sha1.ts";

/** Where the digest field of a relay cell is (tor-spec 6.1): after command (1), recognized (2) and stream ID (2). */
const recognizedAt = 1;
const digestAt = 5;

/**
 * Whether the `recognized` field of the cell that begins at `at` is zero: the cheap half of recognising a cell. Of the
 * cells that are somebody else's, one in 65536 passes.
 */
export const looksRecognized = (slab: Buffer, at: number): boolean =>
  (slab[at + recognizedAt]! | slab[at + recognizedAt + 1]!) === 0;

/** The longest digest of any suite. */
export const MAX_DIGEST_BYTES = 64;

/** A hash that is asked for its digest after each addition, and whose last addition can be taken back. */
interface CellHash {
  /** Adds bytes from `start` to `end`; the first four bytes of the digest of all so far, as a signed integer. */
  add(bytes: Buffer, start: number, end: number): number;
  undo(): void;
  /** Writes the digest, or as much of it as there is room for. */
  digestInto(target: Buffer, at: number): void;
}

/** One of the platform's. */
class PlatformHash implements CellHash {
  #hash: Hash;
  #previous: Hash;
  #digest: Buffer = NOTHING;
  #previousDigest: Buffer = NOTHING;

  constructor(algorithm: string) {
    this.#hash = createHash(algorithm);
    this.#previous = this.#hash;
  }

  add(bytes: Buffer, start: number, end: number): number {
    this.#previous = this.#hash.copy();
    this.#previousDigest = this.#digest;
    this.#digest = this.#hash.update(bytes.subarray(start, end)).copy().digest();
    return this.#digest.readInt32BE(0);
  }

  undo(): void {
    this.#hash = this.#previous;
    this.#digest = this.#previousDigest;
  }

  digestInto(target: Buffer, at: number): void {
    this.#digest.copy(target, at);
  }
}

const NOTHING = Buffer.alloc(0);

/**
 * The running digest of one direction between a client and one hop (tor-spec 6.1): over all cells that either has sent the
 * other, with their digest field taken as zero.
 */
export class RunningDigest {
  readonly #hash: CellHash;

  /** @param seed Df or Db */
  constructor(suite: RelaySuite, seed: Buffer) {
    this.#hash = suite.digest === "sha1" ? new Sha1() : new PlatformHash(suite.digest);
    this.#hash.add(seed, 0, seed.length);
  }

  /** The tag of the cell that was added last: the first 20 bytes of the digest after it (tor-spec 7.3.1). */
  tag(): Buffer {
    const tag = Buffer.allocUnsafe(sendmeTagLength);
    this.#hash.digestInto(tag, 0);
    return tag;
  }

  /** Writes the tag, and perhaps more of the digest behind it: there have to be {@link MAX_DIGEST_BYTES} for it. */
  tagInto(target: Buffer, at: number): void {
    this.#hash.digestInto(target, at);
  }

  /** Adds the cell at `at`, which is going out, and writes its `recognized` and digest fields. */
  seal(slab: Buffer, at: number): void {
    slab[at + recognizedAt] = 0;
    slab[at + recognizedAt + 1] = 0;
    writeField(slab, at + digestAt, 0);
    writeField(slab, at + digestAt, this.#hash.add(slab, at, at + relayPayloadLength));
  }

  /**
   * Whether the cell at `at`, whose `recognized` field is zero, is for us: then it is added, and its digest field left zero.
   * If it is not, cell and digest stay as they were.
   */
  open(slab: Buffer, at: number): boolean {
    const field = at + digestAt;
    const claimed = readField(slab, field);
    writeField(slab, field, 0);
    // All four bytes are compared at once: a sender must not learn from the time how many were right.
    if (this.#hash.add(slab, at, at + relayPayloadLength) === claimed) return true;
    this.#hash.undo();
    writeField(slab, field, claimed);
    return false;
  }
}

const readField = (slab: Buffer, at: number): number =>
  (slab[at]! << 24) | (slab[at + 1]! << 16) | (slab[at + 2]! << 8) | slab[at + 3]!;

const writeField = (slab: Buffer, at: number, value: number): void => {
  slab[at] = value >> 24;
  slab[at + 1] = value >> 16;
  slab[at + 2] = value >> 8;
  slab[at + 3] = value;
};
