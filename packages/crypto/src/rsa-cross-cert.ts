import { hash } from "node:crypto";
import { equalBytes } from "./bytes.ts";
import { expiryHours, expiryMillis } from "./cert-types.ts";
import { ed25519KeyLength } from "./ed25519.ts";
import { CertificateError, type CertificateProblem, KeyError } from "./errors.ts";
import { type RsaKeyPair, type RsaPublicKey, rsaSignUnprefixed, rsaVerifyUnprefixed } from "./rsa.ts";

const prefix = Buffer.from("Tor TLS RSA/Ed25519 cross-certificate", "ascii");
/** ED25519_KEY and EXPIRATION_DATE: the signed part. */
const signedLength = ed25519KeyLength + 4;

const digestOf = (signed: Uint8Array): Buffer => hash("sha256", Buffer.concat([prefix, signed]), "buffer");

/**
 * Writes the certificate by which the RSA identity key vouches for the Ed25519 identity key (cert-spec 2.3; type 7 in
 * CERTS cells).
 *
 * @param identity the Ed25519 identity key, 32 bytes
 * @param expiresAt its end, in milliseconds since the epoch; rounded up to the hour
 * @throws KeyError if the identity has not 32 bytes
 */
export const signRsaCrossCertificate = (rsa: RsaKeyPair, identity: Uint8Array, expiresAt: number): Buffer => {
  if (identity.length !== ed25519KeyLength) throw new KeyError("ed25519", "bad-length");
  const signed = Buffer.alloc(signedLength);
  signed.set(identity, 0);
  signed.writeUInt32BE(expiryHours(expiresAt), ed25519KeyLength);
  const signature = rsaSignUnprefixed(rsa, digestOf(signed));
  return Buffer.concat([signed, Buffer.from([signature.length]), signature]);
};

/** An RSA to Ed25519 cross-certificate as parsed: not to be believed before {@link verifyRsaCrossCertificate}. */
export interface RsaCrossCertificate {
  /** The Ed25519 identity that it vouches for, 32 bytes. */
  readonly identity: Buffer;
  /** The end of its validity, in milliseconds since the epoch. */
  readonly expiresAt: number;
  /** The whole certificate. */
  readonly encoded: Buffer;
}

/**
 * Parses an RSA to Ed25519 cross-certificate (cert-spec 2.3).
 *
 * @throws CertificateError if it is malformed
 */
export const parseRsaCrossCertificate = (bytes: Uint8Array): RsaCrossCertificate => {
  const encoded = Buffer.from(bytes);
  const fail = (problem: CertificateProblem, field: string, offset: number) =>
    new CertificateError("rsa-ed25519-cross", problem, field, offset);
  if (encoded.length <= signedLength) throw fail("truncated", "SIGLEN", encoded.length);
  const end = signedLength + 1 + encoded[signedLength]!;
  if (encoded.length < end) throw fail("truncated", "SIGNATURE", encoded.length);
  if (encoded.length > end) throw fail("trailing-bytes", "SIGNATURE", end);
  return {
    identity: encoded.subarray(0, ed25519KeyLength),
    expiresAt: expiryMillis(encoded.readUInt32BE(ed25519KeyLength)),
    encoded,
  };
};

/** What {@link verifyRsaCrossCertificate} expects. */
export interface RsaCrossCertificateExpectation {
  /** The RSA identity key that must have signed it. */
  readonly rsa: RsaPublicKey;
  /** The Ed25519 identity that it must be for, 32 bytes. */
  readonly identity: Uint8Array;
  /** Now, in milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Checks that a cross-certificate joins exactly these two identities and is not past its end.
 *
 * @throws CertificateError if it must not be believed
 */
export const verifyRsaCrossCertificate = (
  certificate: RsaCrossCertificate,
  expected: RsaCrossCertificateExpectation,
): void => {
  const fail = (problem: CertificateProblem, field: string, offset: number) =>
    new CertificateError("rsa-ed25519-cross", problem, field, offset);
  if (!equalBytes(certificate.identity, expected.identity)) throw fail("wrong-key", "ED25519_KEY", 0);
  if (expected.now > certificate.expiresAt) throw fail("expired", "EXPIRATION_DATE", ed25519KeyLength);
  const digest = digestOf(certificate.encoded.subarray(0, signedLength));
  if (!rsaVerifyUnprefixed(expected.rsa, digest, certificate.encoded.subarray(signedLength + 1)))
    throw fail("bad-signature", "SIGNATURE", signedLength + 1);
};
