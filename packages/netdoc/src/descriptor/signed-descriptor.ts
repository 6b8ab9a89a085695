import { rsaIdentityBits, rsaIdentityDigest } from "@allium/crypto";
import { VerificationError } from "../errors.ts";
import { runSteps, type Steps } from "../steps.ts";
import { type Batch, parseBatchSteps } from "../syntax/batch.ts";
import { ItemReader } from "../syntax/reader.ts";
import { SectionKind } from "../syntax/rules.ts";
import { Source } from "../syntax/source.ts";
import { encodeHex } from "../values/encodings.ts";
import { type Fingerprint, fingerprint } from "../values/fingerprint.ts";
import { readRsaKey, readTime, rsaKeyLabel } from "../values/read.ts";
import type { UnixMillis } from "../values/time.ts";
import { checkRsaSignature, signatureRules, signedDigest } from "./signatures.ts";

const { "router-signature": signatureRule } = signatureRules;

const routerSection = new SectionKind("router descriptor", {
  router: { count: "once", place: "first" },
  published: { count: "once", min: 2 },
  "signing-key": { count: "once", max: 0, object: [rsaKeyLabel] },
  "extra-info-digest": { count: "maybe", min: 1 },
  "router-signature": signatureRule,
} as const);

const extraInfoSection = new SectionKind("extra-info document", {
  "extra-info": { count: "once", place: "first", min: 2 },
  published: { count: "once", min: 2 },
  "router-signature": signatureRule,
} as const);

/** What a directory cache looks at of a document that it hands on. */
interface Signed {
  /** The relay's RSA identity. */
  readonly fingerprint: Fingerprint;
  /** SHA-1 of the signed part, in hexadecimal: its name in the `ns` consensus, or in the descriptor, and in requests. */
  readonly digest: Fingerprint;
  readonly published: UnixMillis;
  /** The document, without annotations: a view on the input. */
  readonly bytes: Buffer;
}

/** A router descriptor whose RSA signature fits. What else it says was not looked at. */
export interface SignedRouter extends Signed {
  /** SHA-1 of the extra-info document that belongs to it, in hexadecimal. */
  readonly extraInfo: Fingerprint | undefined;
}

/** An extra-info document; whether its signature fits, the relay's descriptor tells. */
export interface SignedExtraInfo extends Signed {
  /**
   * Checks that it is the one that a descriptor names, and its RSA signature.
   *
   * @throws VerificationError if it is not, or the signature does not fit
   */
  readonly verify: (router: SignedRouter) => void;
}

/**
 * Reads router descriptors as far as it takes to hand them on: a cache looks for those whose digests are in a consensus, and
 * leaves what they say to the clients. A tenth of the work of `parseRouterDescriptors`.
 */
export const parseSignedRouters = (input: string | Uint8Array): Batch<SignedRouter> =>
  runSteps(parseSignedRoutersSteps(input));

/** As {@link parseSignedRouters}, in steps. */
export const parseSignedRoutersSteps = (input: string | Uint8Array): Steps<Batch<SignedRouter>> =>
  parseBatchSteps("router descriptor", input, "router", parseRouter);

/** Reads extra-info documents as far as it takes to hand them on. */
export const parseSignedExtraInfos = (input: string | Uint8Array): Batch<SignedExtraInfo> =>
  runSteps(parseSignedExtraInfosSteps(input));

/** As {@link parseSignedExtraInfos}, in steps. */
export const parseSignedExtraInfosSteps = (input: string | Uint8Array): Steps<Batch<SignedExtraInfo>> =>
  parseBatchSteps("extra-info document", input, "extra-info", parseExtraInfo);

const parseRouter = (source: Source): SignedRouter => {
  const section = routerSection.read(ItemReader.behindAnnotations(source));
  const first = section.one("router");
  const last = section.one("router-signature");
  const keyItem = section.one("signing-key");
  const key = readRsaKey(keyItem);
  if (key.bits !== rsaIdentityBits) throw keyItem.objectError(`has ${key.bits} bits`);
  const digest = signedDigest(first, last);
  checkRsaSignature("router descriptor", digest, last.objectBytes(), key);
  return {
    fingerprint: encodeHex(rsaIdentityDigest(key)),
    digest: encodeHex(digest),
    published: readTime(section.one("published")),
    extraInfo: section.maybe("extra-info-digest")?.read(0, fingerprint, "a SHA-1 digest"),
    bytes: source.bytes.subarray(first.start, last.end),
  };
};

const parseExtraInfo = (source: Source): SignedExtraInfo => {
  const section = extraInfoSection.read(ItemReader.behindAnnotations(source));
  const first = section.one("extra-info");
  const last = section.one("router-signature");
  const named = first.read(1, fingerprint, "a fingerprint");
  const signature = last.objectBytes();
  const digest = signedDigest(first, last);
  const name = encodeHex(digest);
  return {
    fingerprint: named,
    digest: name,
    published: readTime(section.one("published")),
    bytes: source.bytes.subarray(first.start, last.end),
    verify: (router) => {
      if (router.fingerprint !== named || router.extraInfo !== name)
        throw new VerificationError("extra-info document", "inconsistent", "extra-info", "is not the descriptor's");
      checkRsaSignature("extra-info document", digest, signature, identityKeyOf(router));
    },
  };
};

/** The key that a descriptor was verified with. It is read again, since thousands of keys would take megabytes. */
const identityKeyOf = ({ bytes }: SignedRouter) => {
  const section = routerSection.read(new ItemReader(Source.of("router descriptor", bytes)));
  return readRsaKey(section.one("signing-key"));
};
