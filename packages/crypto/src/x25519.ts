import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import { KeyError } from "./errors.ts";

/** Bytes of a Curve25519 key, public or private, and of a shared secret. */
export const x25519KeyLength = 32;

/** Somebody's public Curve25519 key, imported: that takes a fourteenth of an exchange, and an object off the heap. */
export class X25519PublicKey {
  /** @internal */
  readonly key: KeyObject;

  private constructor(key: KeyObject) {
    this.key = key;
  }

  /** The key of 32 bytes; undefined if there are more or fewer. */
  static fromBytes(bytes: Uint8Array): X25519PublicKey | undefined {
    if (bytes.length !== x25519KeyLength) return undefined;
    const key = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes);
    return new X25519PublicKey(createPublicKey({ key, format: "raw-public", asymmetricKeyType: "x25519" }));
  }
}

/**
 * A Curve25519 key pair for Diffie-Hellman (RFC 7748): an onion key, or the ephemeral key of a handshake. It holds the
 * platform's key object, since importing a private key costs as much as an exchange.
 */
export class X25519KeyPair {
  /** The public key, 32 bytes. */
  readonly publicKey: Buffer;
  readonly #key: KeyObject;

  private constructor(key: KeyObject) {
    this.#key = key;
    this.publicKey = createPublicKey(key).export({ format: "raw-public" });
  }

  /**
   * The key pair of 32 secret bytes, which must come from a strong source of randomness. They need not be clamped.
   *
   * @throws KeyError if there are more or fewer
   */
  static fromSecret(secret: Uint8Array): X25519KeyPair {
    if (secret.length !== x25519KeyLength) throw new KeyError("x25519", "bad-length");
    return new X25519KeyPair(
      createPrivateKey({ key: Buffer.from(secret), format: "raw-private", asymmetricKeyType: "x25519" }),
    );
  }

  /**
   * The shared secret with the owner of `publicKey`, 32 bytes, or undefined if that key has small order (or is no key):
   * then the result would be all zero, whoever we are, and the handshakes of tor-spec 5.1 must fail.
   *
   * @param publicKey its bytes, or a {@link X25519PublicKey} if it is used more than once
   */
  sharedSecret(publicKey: Uint8Array | X25519PublicKey): Buffer | undefined {
    const theirs = publicKey instanceof X25519PublicKey ? publicKey : X25519PublicKey.fromBytes(publicKey);
    if (theirs === undefined) return undefined;
    try {
      return diffieHellman({ privateKey: this.#key, publicKey: theirs.key });
    } catch {
      // The platform refuses to return an all-zero secret (RFC 7748, section 6.1); nothing else can fail with two keys.
      return undefined;
    }
  }

  /** The secret bytes, for a key store. */
  secret(): Buffer {
    return this.#key.export({ format: "raw-private" });
  }
}
