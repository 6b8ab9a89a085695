import { asBuffer, equalBytes } from "./bytes.ts";
import {
  type CertifiedKeyType,
  CertType,
  expiryHours,
  expiryMillis,
  CertifiedKeyType as KeyType,
} from "./cert-types.ts";
import { type Ed25519Signer, ed25519KeyLength, ed25519SignatureLength, ed25519Verify } from "./ed25519.ts";
import { CertificateError, type CertificateProblem, KeyError } from "./errors.ts";

const version = 1;
const signedWithKeyExtension = 4;
const affectsValidation = 1;
/** VERSION, CERT_TYPE, EXPIRATION_DATE, CERT_KEY_TYPE, CERTIFIED_KEY, N_EXTENSIONS. */
const headLength = 1 + 1 + 4 + 1 + ed25519KeyLength + 1;
const extensionHeadLength = 4;

/** An Ed25519 certificate as parsed: nothing of it may be believed before {@link verifyEd25519Certificate}. */
export interface Ed25519Certificate {
  /** CERT_TYPE: usually one of `CertType`, but any byte parses. */
  readonly certType: number;
  /** CERT_KEY_TYPE: usually one of `CertifiedKeyType`, but any byte parses. */
  readonly keyType: number;
  /** CERTIFIED_KEY: an Ed25519 key or a SHA-256 digest, 32 bytes. */
  readonly certifiedKey: Buffer;
  /** The end of its validity, in milliseconds since the epoch, always a whole hour. */
  readonly expiresAt: number;
  /** The key of the signed-with-ed25519-key extension, 32 bytes, if there is one. */
  readonly signingKey: Buffer | undefined;
  /** The whole certificate, for the signature and for passing on. */
  readonly encoded: Buffer;
}

/** What {@link signEd25519Certificate} writes. */
export interface Ed25519CertificateContent {
  /** What the certificate is for. */
  readonly certType: CertType;
  /** What is certified; an Ed25519 key if not said. */
  readonly keyType?: CertifiedKeyType;
  /** The certified key or digest, 32 bytes. */
  readonly certifiedKey: Uint8Array;
  /** The end of its validity, in milliseconds since the epoch; rounded up to the hour. */
  readonly expiresAt: number;
  /** Whether to add the signer's public key as an extension. */
  readonly includeSigningKey?: boolean;
}

/**
 * Writes and signs an Ed25519 certificate (cert-spec 2.1).
 *
 * @throws KeyError if the certified key has not 32 bytes
 */
export const signEd25519Certificate = (content: Ed25519CertificateContent, signer: Ed25519Signer): Buffer => {
  if (content.certifiedKey.length !== ed25519KeyLength) throw new KeyError("ed25519", "bad-length");
  const withKey = content.includeSigningKey === true;
  const signedLength = headLength + (withKey ? extensionHeadLength + ed25519KeyLength : 0);
  const out = Buffer.alloc(signedLength + ed25519SignatureLength);
  out[0] = version;
  out[1] = content.certType;
  out.writeUInt32BE(expiryHours(content.expiresAt), 2);
  out[6] = content.keyType ?? KeyType.Ed25519;
  out.set(content.certifiedKey, 7);
  if (withKey) {
    out[headLength - 1] = 1;
    out.writeUInt16BE(ed25519KeyLength, headLength);
    out[headLength + 2] = signedWithKeyExtension;
    out.set(signer.publicKey, headLength + extensionHeadLength);
  }
  out.set(signer.sign(out.subarray(0, signedLength)), signedLength);
  return out;
};

/**
 * Parses an Ed25519 certificate (cert-spec 2.1). The signature is not looked at yet.
 *
 * Up to 0.4.5 `tor` called the digest in link certificates an Ed25519 key; such a certificate parses as what it is.
 *
 * @throws CertificateError if it is malformed, or has an extension that must be understood and is not
 */
export const parseEd25519Certificate = (bytes: Uint8Array): Ed25519Certificate => {
  // A copy: the caller's bytes are usually a view on what a socket delivered.
  const encoded = Buffer.from(bytes);
  const fail = (problem: CertificateProblem, field: string, offset: number) =>
    new CertificateError("ed25519", problem, field, offset);
  if (encoded.length === 0) throw fail("truncated", "VERSION", 0);
  if (encoded[0] !== version) throw fail("unknown-version", "VERSION", 0);
  if (encoded.length < headLength) throw fail("truncated", "CERTIFIED_KEY", encoded.length);

  const certType = encoded[1]!;
  const declaredKeyType = encoded[6]!;
  const extensions = encoded[headLength - 1]!;
  const signedLength = encoded.length - ed25519SignatureLength;
  let signingKey: Buffer | undefined;
  let at = headLength;
  for (let index = 0; index < extensions; index++) {
    if (at + extensionHeadLength > signedLength) throw fail("truncated", "EXTENSIONS", at);
    const length = encoded.readUInt16BE(at);
    const type = encoded[at + 2]!;
    const flags = encoded[at + 3]!;
    const body = at + extensionHeadLength;
    if (body + length > signedLength) throw fail("truncated", "ExtData", body);
    if (type === signedWithKeyExtension) {
      if (length !== ed25519KeyLength) throw fail("bad-extension-length", "ExtLength", at);
      if (signingKey !== undefined) throw fail("duplicate-extension", "ExtType", at + 2);
      signingKey = encoded.subarray(body, body + length);
    } else if ((flags & affectsValidation) !== 0) {
      throw fail("unknown-critical-extension", "ExtType", at + 2);
    }
    at = body + length;
  }
  if (at > signedLength) throw fail("truncated", "SIGNATURE", at);
  if (at < signedLength) throw fail("trailing-bytes", "SIGNATURE", at + ed25519SignatureLength);
  return {
    certType,
    keyType:
      certType === CertType.SigningVerifiesLink && declaredKeyType === KeyType.Ed25519
        ? KeyType.X509Sha256
        : declaredKeyType,
    certifiedKey: encoded.subarray(7, 7 + ed25519KeyLength),
    expiresAt: expiryMillis(encoded.readUInt32BE(2)),
    signingKey,
    encoded,
  };
};

/** What {@link verifyEd25519Certificate} expects of a certificate. */
export interface Ed25519CertificateExpectation {
  /** The type that it must have. */
  readonly certType: CertType;
  /** What it must certify; an Ed25519 key if not said. */
  readonly keyType?: CertifiedKeyType;
  /** The key that must have signed it; if not known yet, the one in its extension, which must be there then. */
  readonly signedBy?: Uint8Array;
  /** Now, in milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Checks type, expiry and signature of a parsed certificate (cert-spec 2.1, 2.2.1).
 *
 * @returns the key that signed it, 32 bytes: worth something only if the caller had expected that key, or now looks whose it is
 * @throws CertificateError if it must not be believed
 */
export const verifyEd25519Certificate = (
  certificate: Ed25519Certificate,
  expected: Ed25519CertificateExpectation,
): Buffer => {
  const fail = (problem: CertificateProblem, field: string, offset?: number) =>
    new CertificateError("ed25519", problem, field, offset);
  const { encoded, signingKey } = certificate;
  if (certificate.certType !== expected.certType) throw fail("wrong-type", "CERT_TYPE", 1);
  if (certificate.keyType !== (expected.keyType ?? KeyType.Ed25519)) throw fail("wrong-type", "CERT_KEY_TYPE", 6);
  const signer = expected.signedBy ?? signingKey;
  if (signer === undefined) throw fail("missing-signing-key", "EXTENSIONS", headLength);
  if (signingKey !== undefined && !equalBytes(signingKey, signer)) throw fail("wrong-key", "ExtData", headLength);
  if (expected.now > certificate.expiresAt) throw fail("expired", "EXPIRATION_DATE", 2);
  const signedLength = encoded.length - ed25519SignatureLength;
  if (!ed25519Verify(signer, encoded.subarray(0, signedLength), encoded.subarray(signedLength)))
    throw fail("bad-signature", "SIGNATURE", signedLength);
  return asBuffer(signer);
};
