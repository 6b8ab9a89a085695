import { hash } from "node:crypto";
import { type RsaPublicKey, rsaIdentityDigest, rsaVerifyUnprefixed } from "@allium/crypto";
import { ValidityError, VerificationError } from "./errors.ts";
import { runSteps, type Steps } from "./steps.ts";
import { type Batch, parseBatchSteps } from "./syntax/batch.ts";
import { ItemReader } from "./syntax/reader.ts";
import { SectionKind } from "./syntax/rules.ts";
import { Source } from "./syntax/source.ts";
import { type AddressAndPort, addressAndPort } from "./values/address.ts";
import { encodeHex } from "./values/encodings.ts";
import { type Fingerprint, fingerprint } from "./values/fingerprint.ts";
import { readRsaKey, readTime, rsaKeyLabel } from "./values/read.ts";
import type { UnixMillis } from "./values/time.ts";

const document = "authority certificate";
const startKeyword = "dir-key-certificate-version";

const certificateSection = new SectionKind(document, {
  [startKeyword]: { count: "once", place: "first", min: 1 },
  "dir-address": { count: "maybe", min: 1 },
  fingerprint: { count: "once", min: 1 },
  "dir-identity-key": { count: "once", max: 0, object: [rsaKeyLabel] },
  "dir-key-published": { count: "once", min: 2 },
  "dir-key-expires": { count: "once", min: 2 },
  "dir-signing-key": { count: "once", max: 0, object: [rsaKeyLabel] },
  "dir-key-crosscert": { count: "once", max: 0, object: ["ID SIGNATURE", "SIGNATURE"] },
  "dir-key-certification": { count: "once", place: "last", max: 0, object: ["SIGNATURE"] },
} as const);

/** By which an authority's identity key vouches for the key that signs its documents (dir-spec 3.1). Its signatures fit. */
export class AuthorityCertificate {
  /** The authority's identity. */
  readonly identity: Fingerprint;
  /** Its long-term key. */
  readonly identityKey: RsaPublicKey;
  /** SHA-1 of the signing key. */
  readonly signingKeyDigest: Fingerprint;
  /** The key that signs votes and consensuses. */
  readonly signingKey: RsaPublicKey;
  /** When it was made. */
  readonly published: UnixMillis;
  /** From here on it proves nothing. */
  readonly expires: UnixMillis;
  /** Where the authority answers requests, if it says so. */
  readonly dirAddress: AddressAndPort | undefined;
  /** The document as it came: a view on the input. */
  readonly bytes: Buffer;

  constructor(fields: Omit<AuthorityCertificate, "isValidAt" | "checkValid">) {
    this.identity = fields.identity;
    this.identityKey = fields.identityKey;
    this.signingKeyDigest = fields.signingKeyDigest;
    this.signingKey = fields.signingKey;
    this.published = fields.published;
    this.expires = fields.expires;
    this.dirAddress = fields.dirAddress;
    this.bytes = fields.bytes;
  }

  /** Whether it has not expired. Its beginning is not looked at, as the authority's clock may be ahead of ours. */
  isValidAt(now: UnixMillis): boolean {
    return now < this.expires;
  }

  /**
   * As {@link isValidAt}.
   *
   * @throws ValidityError if it has expired
   */
  checkValid(now: UnixMillis): void {
    if (!this.isValidAt(now)) throw new ValidityError(document, "expired", this.expires, now);
  }
}

/**
 * Reads one certificate, and checks both of its signatures: the identity key's on the certificate, and the signing key's on
 * the identity (dir-spec 3.1).
 *
 * @throws NetdocError if the text is wrong
 * @throws VerificationError if a signature does not fit, or the fingerprint is another key's
 */
export const parseAuthorityCertificate = (input: string | Uint8Array): AuthorityCertificate =>
  parseOne(Source.of(document, input));

/** Reads certificates that follow each other, as in the answer to `/tor/keys/all`; as {@link parseAuthorityCertificate}. */
export const parseAuthorityCertificates = (input: string | Uint8Array): Batch<AuthorityCertificate> =>
  runSteps(parseAuthorityCertificatesSteps(input));

/** As {@link parseAuthorityCertificates}, in steps. */
export const parseAuthorityCertificatesSteps = (input: string | Uint8Array): Steps<Batch<AuthorityCertificate>> =>
  parseBatchSteps(document, input, startKeyword, parseOne);

const parseOne = (source: Source): AuthorityCertificate => {
  const reader = new ItemReader(source);
  const section = certificateSection.read(reader);
  const version = section.one(startKeyword);
  if (version.words[0] !== "3") throw version.error("unknown-version", "expected version 3", version.argumentStart(0));
  const certification = section.one("dir-key-certification");
  const named = section.one("fingerprint").read(0, fingerprint, "a fingerprint");
  const identityKey = readRsaKey(section.one("dir-identity-key"));
  const signingKey = readRsaKey(section.one("dir-signing-key"));
  const published = readTime(section.one("dir-key-published"));
  const expires = readTime(section.one("dir-key-expires"));
  const dirAddress = section.maybe("dir-address")?.read(0, addressAndPort, "an address and a port");
  const crossSignature = section.one("dir-key-crosscert").objectBytes();
  const signature = certification.objectBytes();

  const identityDigest = rsaIdentityDigest(identityKey);
  const identity = encodeHex(identityDigest);
  if (identity !== named)
    throw new VerificationError(document, "inconsistent", "fingerprint", "is not that of the identity key");
  const signed = source.bytes.subarray(version.start, certification.lineEnd + 1);
  if (!rsaVerifyUnprefixed(identityKey, hash("sha1", signed, "buffer"), signature))
    throw new VerificationError(document, "bad-signature", "dir-key-certification", "is not by the identity key");
  if (!rsaVerifyUnprefixed(signingKey, identityDigest, crossSignature))
    throw new VerificationError(document, "bad-signature", "dir-key-crosscert", "is not by the signing key");
  return new AuthorityCertificate({
    identity,
    identityKey,
    signingKeyDigest: encodeHex(rsaIdentityDigest(signingKey)),
    signingKey,
    published,
    expires,
    dirAddress,
    bytes: source.bytes.subarray(version.start, certification.end),
  });
};
