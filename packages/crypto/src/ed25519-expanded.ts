import { hash } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { type Ed25519Signer, ed25519KeyLength } from "./ed25519.ts";
import { KeyError } from "./errors.ts";

const { Point } = ed25519;
const scalars = Point.Fn;

/** Bytes of an Ed25519 key in expanded form: the scalar, and the key of the nonces. */
export const ed25519ExpandedLength = 64;

/** A number of little-endian bytes. */
export const littleEndian = (bytes: Uint8Array): bigint =>
  BigInt(`0x${Buffer.from(bytes).reverse().toString("hex") || "0"}`);

/** A scalar of Curve25519 with the bits that RFC 7748 fixes. */
export const clampScalar = (secret: Uint8Array): Buffer => {
  const out = Buffer.from(secret);
  out[0] = out[0]! & 248;
  out[31] = (out[31]! & 127) | 64;
  return out;
};

const sha512 = (...parts: ReadonlyArray<Uint8Array>): Buffer => hash("sha512", Buffer.concat(parts), "buffer");

/**
 * An Ed25519 key in expanded form: the scalar and the nonce key that RFC 8032 derives from a seed. `tor` keeps its keys so, and
 * from this form there is no way back to a seed; the platform, in turn, signs with seeds alone.
 *
 * This arithmetic is not fast, and not constant in time as the platform's is. It is for keys that sign a few documents and
 * certificates of ours, not for what somebody else chose, as often as they like.
 */
export class Ed25519ExpandedKey implements Ed25519Signer {
  /** The public key, 32 bytes. */
  readonly publicKey: Buffer;
  readonly #expanded: Buffer;
  readonly #scalar: bigint;

  private constructor(expanded: Buffer) {
    this.#expanded = expanded;
    this.#scalar = scalars.create(littleEndian(expanded.subarray(0, ed25519KeyLength)));
    this.publicKey = Buffer.from(Point.BASE.multiply(this.#scalar).toBytes());
  }

  /**
   * The key of 64 secret bytes.
   *
   * @throws KeyError if there are more or fewer, or the scalar is not one that a seed expands to
   */
  static fromExpanded(expanded: Uint8Array): Ed25519ExpandedKey {
    if (expanded.length !== ed25519ExpandedLength) throw new KeyError("ed25519", "bad-length");
    const copy = Buffer.from(expanded);
    const scalar = copy.subarray(0, ed25519KeyLength);
    if (!clampScalar(scalar).equals(scalar)) throw new KeyError("ed25519", "bad-encoding");
    return new Ed25519ExpandedKey(copy);
  }

  /**
   * The key of a 32-byte secret seed (RFC 8032, section 5.1.5): the same as the platform's key of that seed.
   *
   * @throws KeyError if the seed has another length
   */
  static fromSeed(seed: Uint8Array): Ed25519ExpandedKey {
    if (seed.length !== ed25519KeyLength) throw new KeyError("ed25519", "bad-length");
    const digest = sha512(seed);
    return new Ed25519ExpandedKey(
      Buffer.concat([clampScalar(digest.subarray(0, ed25519KeyLength)), digest.subarray(ed25519KeyLength)]),
    );
  }

  /** The signature of `message`, 64 bytes. */
  sign(message: Uint8Array): Buffer {
    return signExpanded(this.#scalar, this.#expanded.subarray(ed25519KeyLength), this.publicKey, message);
  }

  /** The 64 secret bytes, for a key store. */
  expanded(): Buffer {
    return Buffer.from(this.#expanded);
  }
}

/** A signature (RFC 8032, section 5.1.6, from step 2 on). */
export const signExpanded = (
  scalar: bigint,
  nonceKey: Uint8Array,
  publicKey: Uint8Array,
  message: Uint8Array,
): Buffer => {
  const nonce = scalars.create(littleEndian(sha512(nonceKey, message)));
  const commitment = Buffer.from(Point.BASE.multiply(nonce).toBytes());
  const challenge = scalars.create(littleEndian(sha512(commitment, publicKey, message)));
  return Buffer.concat([commitment, scalars.toBytes(scalars.add(nonce, scalars.mul(challenge, scalar)))]);
};
