import { hash } from "node:crypto";
import { equalBytes } from "@allium/crypto";
import { VerificationError } from "../errors.ts";
import { type Batch, parseBatch } from "../syntax/batch.ts";
import type { Item } from "../syntax/item.ts";
import { ItemReader } from "../syntax/reader.ts";
import type { SectionOf } from "../syntax/rules.ts";
import { Source } from "../syntax/source.ts";
import { encodeBase64, encodeHex } from "../values/encodings.ts";
import { type Fingerprint, fingerprint, nickname } from "../values/fingerprint.ts";
import { integer } from "../values/numbers.ts";
import { readTime } from "../values/read.ts";
import {
  type BandwidthHistory,
  type ExtraInfo,
  type ExtraInfoDescription,
  type HistoryKeyword,
  historyKeywords,
} from "./extra-info-model.ts";
import { extraInfoSection } from "./extra-info-section.ts";
import type { RouterDescriptor } from "./router-parse.ts";
import { checkEd25519Signature, checkRsaSignature, checkSigningCertificate, signedDigest } from "./signatures.ts";

const document = "extra-info document";
const startKeyword = "extra-info";
const count = integer(0, Number.MAX_SAFE_INTEGER);
const interval = integer(1, 999_999_999);
const intervalNumber = /^\((\d{1,9})$/;

/**
 * An extra-info document whose own Ed25519 signature fits. Whose it is, and whether the RSA signature fits, only the relay's
 * descriptor can tell.
 */
export class UnverifiedExtraInfo {
  /** The RSA identity that it claims. */
  readonly fingerprint: Fingerprint;
  readonly #contents: ExtraInfo;
  readonly #identity: Buffer;
  readonly #rsaDigest: Buffer;
  readonly #rsaSignature: Buffer;

  constructor(contents: ExtraInfo, identity: Buffer, rsaDigest: Buffer, rsaSignature: Buffer) {
    this.fingerprint = contents.fingerprint;
    this.#contents = contents;
    this.#identity = identity;
    this.#rsaDigest = rsaDigest;
    this.#rsaSignature = rsaSignature;
  }

  /**
   * The document, if it is the one that a descriptor names.
   *
   * @throws VerificationError if it is another relay's, another document, or its RSA signature does not fit
   */
  verify(descriptor: RouterDescriptor): ExtraInfo {
    const contents = this.#contents;
    const named = descriptor.extraInfo;
    if (contents.fingerprint !== descriptor.fingerprint || !equalBytes(this.#identity, descriptor.ed25519Identity))
      throw new VerificationError(document, "inconsistent", startKeyword, "is of another relay");
    if (named?.sha1 !== contents.sha1 || (named.sha256 !== undefined && named.sha256 !== contents.sha256))
      throw new VerificationError(document, "inconsistent", "extra-info-digest", "is of another document");
    checkRsaSignature(document, this.#rsaDigest, this.#rsaSignature, descriptor.rsaIdentity);
    return contents;
  }
}

/**
 * Reads an extra-info document and checks its Ed25519 signature (dir-spec 2.1.2).
 *
 * @throws NetdocError if the text is wrong
 * @throws VerificationError if the certificate or the Ed25519 signature does not fit
 */
export const parseExtraInfo = (input: string | Uint8Array): UnverifiedExtraInfo => parseOne(Source.of(document, input));

/** Reads extra-info documents that follow each other, as in the answer to `/tor/extra/all`; as {@link parseExtraInfo}. */
export const parseExtraInfos = (input: string | Uint8Array): Batch<UnverifiedExtraInfo> =>
  parseBatch(document, input, startKeyword, parseOne);

const parseOne = (source: Source): UnverifiedExtraInfo => {
  const reader = ItemReader.behindAnnotations(source);
  const statistics: Array<readonly [string, string]> = [];
  const section = extraInfoSection.read(reader, undefined, (item) => {
    if (item.object === undefined) statistics.push([item.keyword, item.freeText]);
  });
  const first = section.one(startKeyword);
  const last = section.one("router-signature");
  const description = readDescription(section, statistics);
  const named = first.read(1, fingerprint, "a fingerprint");
  const signature = last.objectBytes();
  const signing = checkSigningCertificate(section.one("identity-ed25519"));
  checkEd25519Signature(first, section.one("router-sig-ed25519"), signing.signingKey);
  const digest = signedDigest(first, last);
  const bytes = source.bytes.subarray(first.start, last.end);
  return new UnverifiedExtraInfo(
    {
      ...description,
      fingerprint: named,
      sha1: encodeHex(digest),
      sha256: encodeBase64(hash("sha256", bytes, "buffer")),
      bytes,
    },
    signing.identity,
    digest,
    signature,
  );
};

const readDescription = (
  section: SectionOf<typeof extraInfoSection>,
  statistics: ReadonlyArray<readonly [string, string]>,
): ExtraInfoDescription => {
  const histories: Partial<Record<HistoryKeyword, BandwidthHistory>> = {};
  for (const keyword of historyKeywords) {
    const item = section.maybe(keyword);
    if (item !== undefined) histories[keyword] = readHistory(item);
  }
  const overload = section.maybe("overload-ratelimits");
  const files = section.maybe("overload-fd-exhausted");
  return {
    nickname: section.one(startKeyword).read(0, nickname, "a nickname"),
    published: readTime(section.one("published")),
    histories,
    rateLimitOverload:
      overload === undefined || overload.words[0] !== "1"
        ? undefined
        : {
            at: readTime(overload, 1),
            rate: overload.read(3, count, "bytes per second"),
            burst: overload.read(4, count, "bytes per second"),
            reads: overload.read(5, count, "a number"),
            writes: overload.read(6, count, "a number"),
          },
    outOfFilesAt: files === undefined || files.words[0] !== "1" ? undefined : readTime(files, 1),
    statistics,
  };
};

/** `YYYY-MM-DD HH:MM:SS (NSEC s) NUM,NUM,...`, where the numbers may be absent (dir-spec 2.1.2). */
const readHistory = (item: Item): BandwidthHistory => ({
  end: readTime(item),
  interval: item.read(2, (text) => interval(intervalNumber.exec(text)?.[1] ?? ""), "(NSEC"),
  bytes: item.readOptional(4, (text) => numbers(text), "numbers separated by commas") ?? [],
});

const numbers = (text: string): ReadonlyArray<number> | undefined => {
  const values = text.split(",").map(count);
  return values.includes(undefined) ? undefined : (values as ReadonlyArray<number>);
};
