import { hash } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { equalBytes } from "./bytes.ts";
import { CertType } from "./cert-types.ts";
import type { Ed25519Signer } from "./ed25519.ts";
import { type Ed25519Certificate, signEd25519Certificate, verifyEd25519Certificate } from "./ed25519-cert.ts";
import { clampScalar, littleEndian, signExpanded } from "./ed25519-expanded.ts";
import { CertificateError, KeyError } from "./errors.ts";
import { type X25519KeyPair, x25519KeyLength } from "./x25519.ts";

const { Point } = ed25519;
const field = Point.Fp;
const scalars = Point.Fn;
const derivation = Buffer.from("Derive high part of ed25519 key from curve25519 key\0", "ascii");

/** The sign of the x-coordinate of an onion key's Ed25519 form, which a Curve25519 key does not have: the Bit of dir-spec. */
export type OnionKeySign = 0 | 1;

/**
 * An onion key in its Ed25519 form (proposal 228): the same scalar, with a nonce key derived from it. Only for
 * cross-certificates: the platform cannot sign with a bare scalar, and this arithmetic is neither fast nor constant in time,
 * so it must never sign what somebody else chose.
 */
export const onionKeyAsEd25519 = (onionKey: X25519KeyPair): Ed25519Signer & { readonly signBit: OnionKeySign } => {
  const secret = clampScalar(onionKey.secret());
  const nonceKey = hash("sha512", Buffer.concat([secret, derivation]), "buffer").subarray(0, 32);
  const scalar = scalars.create(littleEndian(secret));
  const publicKey = Buffer.from(Point.BASE.multiply(scalar).toBytes());
  return {
    publicKey,
    signBit: publicKey[31]! >> 7 === 0 ? 0 : 1,
    sign: (message) => signExpanded(scalar, nonceKey, publicKey, message),
  };
};

/**
 * The Ed25519 form of a public onion key (proposal 228).
 *
 * @param onionKey a Curve25519 public key, 32 bytes
 * @returns an Ed25519 public key, 32 bytes
 * @throws KeyError if the onion key has another length, or is no point of the curve
 */
export const onionPublicKeyAsEd25519 = (onionKey: Uint8Array, sign: OnionKeySign): Buffer => {
  if (onionKey.length !== x25519KeyLength) throw new KeyError("x25519", "bad-length");
  // The highest bit of a Curve25519 key is ignored (RFC 7748, section 5).
  const masked = Buffer.from(onionKey);
  masked[31] = masked[31]! & 127;
  const u = field.create(littleEndian(masked));
  const denominator = field.add(u, field.ONE);
  if (field.is0(denominator)) throw new KeyError("x25519", "not-on-curve");
  const y = field.div(field.sub(u, field.ONE), denominator);
  const out = Buffer.from(field.toBytes(y));
  out[31] = out[31]! | (sign << 7);
  try {
    Point.fromBytes(out);
  } catch {
    throw new KeyError("x25519", "not-on-curve");
  }
  return out;
};

/** A cross-certificate of an onion key, with what a descriptor says beside it. */
export interface OnionKeyCrossCertificate {
  /** The certificate (type 0x0a), encoded. */
  readonly certificate: Buffer;
  /** The Bit of the `ntor-onion-key-crosscert` line. */
  readonly sign: OnionKeySign;
}

/**
 * Makes the certificate by which an onion key vouches for the Ed25519 identity (dir-spec 2.1.1, `ntor-onion-key-crosscert`).
 *
 * @param identity the Ed25519 identity key, 32 bytes
 * @param expiresAt its end, in milliseconds since the epoch
 * @throws KeyError if the identity has another length
 */
export const signOnionKeyCrossCertificate = (
  onionKey: X25519KeyPair,
  identity: Uint8Array,
  expiresAt: number,
): OnionKeyCrossCertificate => {
  const signer = onionKeyAsEd25519(onionKey);
  return {
    certificate: signEd25519Certificate(
      { certType: CertType.OnionKeyVerifiesIdentity, certifiedKey: identity, expiresAt },
      signer,
    ),
    sign: signer.signBit,
  };
};

/** What {@link verifyOnionKeyCrossCertificate} expects. */
export interface OnionKeyCrossCertificateExpectation {
  /** The public onion key that must have signed it, 32 bytes. */
  readonly onionKey: Uint8Array;
  /** The Bit of its line. */
  readonly sign: OnionKeySign;
  /** The Ed25519 identity that it must be for, 32 bytes. */
  readonly identity: Uint8Array;
  /** Now, in milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Checks a parsed cross-certificate of an onion key.
 *
 * @throws CertificateError if it must not be believed
 * @throws KeyError if the onion key is none
 */
export const verifyOnionKeyCrossCertificate = (
  certificate: Ed25519Certificate,
  expected: OnionKeyCrossCertificateExpectation,
): void => {
  const signedBy = onionPublicKeyAsEd25519(expected.onionKey, expected.sign);
  verifyEd25519Certificate(certificate, { certType: CertType.OnionKeyVerifiesIdentity, signedBy, now: expected.now });
  if (!equalBytes(certificate.certifiedKey, expected.identity))
    throw new CertificateError("ed25519", "wrong-key", "CERTIFIED_KEY", 7);
};
