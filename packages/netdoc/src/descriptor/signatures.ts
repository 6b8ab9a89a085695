import { hash } from "node:crypto";
import {
  CertificateError,
  CertType,
  type Ed25519Certificate,
  ed25519Verify,
  equalBytes,
  KeyError,
  parseEd25519Certificate,
  type RsaPublicKey,
  rsaSignUnprefixed,
  rsaVerifyUnprefixed,
  verifyEd25519Certificate,
} from "@allium/crypto";
import { type DocumentKind, VerificationError, WriteError } from "../errors.ts";
import type { Item } from "../syntax/item.ts";
import type { ItemRule } from "../syntax/rules.ts";
import type { DocumentWriter } from "../syntax/writer.ts";
import { base64Of, encodeBase64, encodeHex } from "../values/encodings.ts";
import type { UnixMillis } from "../values/time.ts";
import type { RelayIdentityKeys, SignedDocument } from "./model.ts";

/** What is put before a document when its Ed25519 signature is made (dir-spec 2.1.1, `router-sig-ed25519`). */
const signaturePrefix = "Tor router descriptor signature v1";
const ed25519Keyword = "router-sig-ed25519";
const rsaKeyword = "router-signature";
const ed25519Signature = base64Of(64);

/** The items that a router descriptor and an extra-info document have in common: the keys, and the signatures at the end. */
export const signatureRules = {
  "identity-ed25519": { count: "once", place: "second", max: 0, object: ["ED25519 CERT"] },
  [ed25519Keyword]: { count: "once", place: "last-but-one", min: 1 },
  [rsaKeyword]: { count: "once", place: "last", max: 0, object: ["SIGNATURE"] },
} as const satisfies Record<string, ItemRule>;

/** No time at all: expiry is looked at by whoever uses the document, with the time at which it is used. */
export const noTime = 0;

/** What the certificate of the signing key proves. */
export interface SigningCertificate {
  /** The Ed25519 identity that signed it. */
  readonly identity: Buffer;
  /** The signing key. */
  readonly signingKey: Buffer;
  /** Its end. */
  readonly expiresAt: UnixMillis;
}

/**
 * Runs checks of certificates, and turns what they throw into this package's error.
 *
 * @throws VerificationError `bad-certificate`
 */
export const certificateOf = <A>(document: DocumentKind, keyword: string, check: () => A): A => {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof CertificateError || error instanceof KeyError)) throw error;
    throw new VerificationError(document, "bad-certificate", keyword, error.message, error);
  }
};

/** The certificate in an item's object, unchecked. */
export const readCertificate = (item: Item): Ed25519Certificate => {
  const bytes = item.objectBytes();
  return certificateOf(item.source.document, item.keyword, () => parseEd25519Certificate(bytes));
};

/**
 * Checks the certificate of the signing key, which brings the identity that signed it along (dir-spec 2.1.1,
 * `identity-ed25519`).
 */
export const checkSigningCertificate = (item: Item): SigningCertificate => {
  const certificate = readCertificate(item);
  const identity = certificateOf(item.source.document, item.keyword, () => {
    // With another key than its own the certificate would prove nothing about the identity.
    if (certificate.signingKey === undefined)
      throw new CertificateError("ed25519", "missing-signing-key", "EXTENSIONS");
    return verifyEd25519Certificate(certificate, { certType: CertType.IdentityVerifiesSigning, now: noTime });
  });
  return { identity, signingKey: certificate.certifiedKey, expiresAt: certificate.expiresAt };
};

/**
 * Checks the Ed25519 signature: over all from the first item to the space after its keyword.
 *
 * @throws NetdocError if it is no signature
 * @throws VerificationError if it does not fit
 */
export const checkEd25519Signature = (first: Item, item: Item, signingKey: Buffer): void => {
  const { source } = item;
  const signature = item.read(0, ed25519Signature, "a signature in base64");
  const signed = source.bytes.subarray(first.start, item.start + ed25519Keyword.length + 1);
  if (!ed25519Verify(signingKey, ed25519Digest(signed), signature))
    throw new VerificationError(source.document, "bad-signature", item.keyword, "is not by the signing key");
};

/** The digest that the RSA signature is over: of all from the first item to the end of the signature's keyword line. */
export const signedDigest = (first: Item, item: Item): Buffer =>
  hash("sha1", item.source.bytes.subarray(first.start, item.lineEnd + 1), "buffer");

/**
 * Checks the RSA signature.
 *
 * @throws VerificationError if it does not fit
 */
export const checkRsaSignature = (
  document: DocumentKind,
  digest: Buffer,
  signature: Buffer,
  identity: RsaPublicKey,
): void => {
  if (!rsaVerifyUnprefixed(identity, digest, signature))
    throw new VerificationError(document, "bad-signature", rsaKeyword, "is not by the RSA identity");
};

/**
 * The Ed25519 identity for which a relay signs.
 *
 * @throws WriteError if the certificate is not one of this signing key by an identity
 */
export const certifiedIdentity = (kind: DocumentKind, keys: RelayIdentityKeys): Buffer => {
  try {
    const certificate = parseEd25519Certificate(keys.signingCertificate);
    if (certificate.signingKey === undefined)
      throw new WriteError(kind, "signingCertificate", "must have the identity inside");
    if (!equalBytes(certificate.certifiedKey, keys.signingKey.publicKey))
      throw new WriteError(kind, "signingCertificate", "is not for the signing key");
    return verifyEd25519Certificate(certificate, { certType: CertType.IdentityVerifiesSigning, now: noTime });
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    throw new WriteError(kind, "signingCertificate", error.message);
  }
};

/** Ends a document with both signatures. */
export const signDocument = (writer: DocumentWriter, keys: RelayIdentityKeys): SignedDocument => {
  writer.begin(`${ed25519Keyword} `);
  const signature = keys.signingKey.sign(ed25519Digest(Buffer.from(writer.text, "utf8")));
  writer.begin(`${encodeBase64(signature)}\n`);
  writer.item(rsaKeyword);
  const digest = hash("sha1", Buffer.from(writer.text, "utf8"), "buffer");
  writer.object("SIGNATURE", rsaSignUnprefixed(keys.rsaIdentity, digest));
  const { text } = writer;
  return {
    text,
    sha1: encodeHex(digest),
    sha256: encodeBase64(hash("sha256", Buffer.from(text, "utf8"), "buffer")),
  };
};

const ed25519Digest = (signed: Buffer): Buffer =>
  hash("sha256", Buffer.concat([Buffer.from(signaturePrefix, "ascii"), signed]), "buffer");
