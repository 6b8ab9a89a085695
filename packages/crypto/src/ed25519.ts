import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { KeyError } from "./errors.ts";

/** Bytes of an Ed25519 public key, and of the seed of a private one. */
export const ed25519KeyLength = 32;
/** Bytes of an Ed25519 signature. */
export const ed25519SignatureLength = 64;

/** Something that signs with an Ed25519 key: a key pair, or an onion key in its Ed25519 form. */
export interface Ed25519Signer {
  /** The public key, 32 bytes. */
  readonly publicKey: Buffer;
  /** The signature of `message`, 64 bytes. */
  sign(message: Uint8Array): Buffer;
}

/** An Ed25519 key pair on the platform's implementation (RFC 8032), made from a seed. */
export class Ed25519KeyPair implements Ed25519Signer {
  /** The public key, 32 bytes. */
  readonly publicKey: Buffer;
  readonly #key: KeyObject;

  private constructor(key: KeyObject) {
    this.#key = key;
    this.publicKey = createPublicKey(key).export({ format: "raw-public" });
  }

  /**
   * The key pair of a 32-byte secret seed, which must come from a strong source of randomness.
   *
   * @throws KeyError if the seed has another length
   */
  static fromSeed(seed: Uint8Array): Ed25519KeyPair {
    if (seed.length !== ed25519KeyLength) throw new KeyError("ed25519", "bad-length");
    return new Ed25519KeyPair(
      createPrivateKey({ key: Buffer.from(seed), format: "raw-private", asymmetricKeyType: "ed25519" }),
    );
  }

  /** The signature of `message`, 64 bytes. */
  sign(message: Uint8Array): Buffer {
    return sign(null, message, this.#key);
  }

  /** The secret seed. */
  seed(): Buffer {
    return this.#key.export({ format: "raw-private" });
  }
}

/**
 * Whether `signature` is `publicKey`'s on `message`. Bytes that are no key or no signature at all are simply not valid:
 * all three usually come from the network.
 */
export const ed25519Verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
  if (publicKey.length !== ed25519KeyLength || signature.length !== ed25519SignatureLength) return false;
  const key = createPublicKey({
    key: Buffer.from(publicKey),
    format: "raw-public",
    asymmetricKeyType: "ed25519",
  });
  return verify(null, message, key, signature);
};
