import { rsaIdentityDigest } from "@allium/crypto";
import { DocumentWriter } from "../syntax/writer.ts";
import { encodeHex } from "../values/encodings.ts";
import { formatTime } from "../values/time.ts";
import { FieldChecks } from "./check.ts";
import { type ExtraInfoDescription, historyKeywords } from "./extra-info-model.ts";
import { extraInfoSection } from "./extra-info-section.ts";
import type { RelayIdentityKeys, SignedDocument } from "./model.ts";
import { certifiedIdentity, signDocument } from "./signatures.ts";

const document = "extra-info document";
/** The longest extra-info document that authorities accept, in bytes (dir-spec 2.1). */
export const maxExtraInfoLength = 50_000;
const checks = new FieldChecks(document);

/**
 * Writes and signs an extra-info document (dir-spec 2.1.2). Its digests belong into the router descriptor of the same time.
 *
 * @throws WriteError if something in it has no form in such a document, or the signing key is not the one that its certificate
 *   is for
 */
export const writeExtraInfo = (description: ExtraInfoDescription, keys: RelayIdentityKeys): SignedDocument => {
  checkDescription(description);
  certifiedIdentity(document, keys);
  const writer = new DocumentWriter();
  writer.item("extra-info", description.nickname, encodeHex(rsaIdentityDigest(keys.rsaIdentity.publicKey)));
  writer.item("identity-ed25519").object("ED25519 CERT", keys.signingCertificate);
  writer.item("published", formatTime(description.published));
  for (const keyword of historyKeywords) {
    const entry = description.histories[keyword];
    if (entry !== undefined)
      writer.item(
        keyword,
        formatTime(entry.end),
        `(${entry.interval}`,
        "s)",
        ...(entry.bytes.length === 0 ? [] : [entry.bytes.join(",")]),
      );
  }
  const { rateLimitOverload: overload, outOfFilesAt } = description;
  if (overload !== undefined)
    writer.item(
      "overload-ratelimits",
      1,
      formatTime(overload.at),
      overload.rate,
      overload.burst,
      overload.reads,
      overload.writes,
    );
  if (outOfFilesAt !== undefined) writer.item("overload-fd-exhausted", 1, formatTime(outOfFilesAt));
  for (const [keyword, rest] of description.statistics) writer.item(keyword, ...(rest === "" ? [] : [rest]));
  const signed = signDocument(writer, keys);
  checks.size(signed.text, maxExtraInfoLength);
  return signed;
};

const statisticsKeyword = /^[A-Za-z0-9][A-Za-z0-9-]*$/;

const checkDescription = (description: ExtraInfoDescription): void => {
  checks.nickname(description.nickname);
  checks.time(description.published, "published");
  for (const keyword of historyKeywords) {
    const entry = description.histories[keyword];
    if (entry === undefined) continue;
    checks.time(entry.end, keyword);
    checks.integer(entry.interval, keyword, 1, 999_999_999);
    for (const value of entry.bytes) checks.integer(value, keyword, 0, Number.MAX_SAFE_INTEGER);
  }
  const { rateLimitOverload: overload, outOfFilesAt } = description;
  if (overload !== undefined) {
    checks.time(overload.at, "rateLimitOverload");
    for (const value of [overload.rate, overload.burst, overload.reads, overload.writes])
      checks.integer(value, "rateLimitOverload", 0, Number.MAX_SAFE_INTEGER);
  }
  if (outOfFilesAt !== undefined) checks.time(outOfFilesAt, "outOfFilesAt");
  for (const [keyword, rest] of description.statistics) {
    checks.require(
      statisticsKeyword.test(keyword) && keyword !== "opt" && extraInfoSection.slotOf(keyword) < 0,
      "statistics",
      `must not have the keyword "${keyword}"`,
    );
    if (rest !== "") checks.line(rest, "statistics");
  }
};
