import {
  NetdocError,
  type NetdocProblem,
  parseExtraInfo,
  parseExtraInfos,
  parseRouterDescriptor,
  parseRouterDescriptors,
  VerificationError,
} from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { acceptedDocuments, extraInfoDescription } from "./support/accepted.ts";
import { caught } from "./support/caught.ts";
import { fixture } from "./support/fixtures.ts";
import { replaced } from "./support/network.ts";
import { resigned, resignedDocument } from "./support/resigned.ts";

const { descriptor, extraInfo } = acceptedDocuments();
const relay = parseRouterDescriptor(descriptor.text);

describe("extra-info documents of tor 0.4.9.11", () => {
  const relays = parseRouterDescriptors(fixture("tor/router-descriptors")).documents;
  const { documents, rejected } = parseExtraInfos(fixture("tor/extra-infos"));

  it("are the ones that the relays' descriptors name", () => {
    assert.strictEqual(documents.length, 6);
    assert.deepStrictEqual(rejected, []);
    for (const document of documents) {
      const owner = relays.find(({ fingerprint }) => fingerprint === document.fingerprint) ?? assert.fail("no owner");
      const verified = document.verify(owner);
      assert.strictEqual(verified.nickname, owner.nickname);
      assert.strictEqual(verified.published, owner.published);
      assert.include(
        verified.statistics.map(([keyword]) => keyword),
        "geoip-db-digest",
      );
    }
  });

  it("are of no other relay", () => {
    const [document = assert.fail("none")] = documents;
    const stranger = relays.find(({ fingerprint }) => fingerprint !== document.fingerprint) ?? assert.fail("none");
    const error = caught(VerificationError, () => document.verify(stranger));
    assert.deepStrictEqual([error.problem, error.keyword], ["inconsistent", "extra-info"]);
  });
});

describe("the extra-info document that an authority accepted", () => {
  it("is read as it was written", () => {
    const { fingerprint, sha1, sha256, bytes, ...read } = parseExtraInfo(fixture("accepted/extra-info")).verify(relay);
    assert.deepStrictEqual(read, extraInfoDescription);
    assert.strictEqual(fingerprint, relay.fingerprint);
    assert.strictEqual(sha1, extraInfo.sha1);
    assert.strictEqual(sha256, extraInfo.sha256);
    assert.strictEqual(bytes.toString(), extraInfo.text);
  });

  it("is not another one of the same relay", () => {
    const document = parseExtraInfo(resigned(extraInfo.text, (body) => `${body}x-more\n`));
    const error = caught(VerificationError, () => document.verify(relay));
    assert.deepStrictEqual([error.problem, error.keyword], ["inconsistent", "extra-info-digest"]);
    assert.strictEqual(
      caught(VerificationError, () => document.verify({ ...relay, extraInfo: undefined })).problem,
      "inconsistent",
    );
  });

  it("is not the same one with another RSA signature", () => {
    const text = extraInfo.text.replace(
      /(BEGIN SIGNATURE-----\n)[^-]*/,
      (_, begin: string) => `${begin}${"AQEB".repeat(16)}\n`,
    );
    const forged = parseExtraInfo(text);
    const byFirstDigest = { ...relay, extraInfo: { sha1: extraInfo.sha1, sha256: undefined } };
    const error = caught(VerificationError, () => forged.verify(byFirstDigest));
    assert.deepStrictEqual([error.problem, error.keyword], ["bad-signature", "router-signature"]);
  });

  it("was not changed after it was signed", () => {
    const error = caught(VerificationError, () =>
      parseExtraInfo(replaced(extraInfo.text, "x-allium-test a", "x-allium-test b")),
    );
    assert.deepStrictEqual([error.problem, error.keyword], ["bad-signature", "router-sig-ed25519"]);
  });
});

describe("an extra-info document whose text is wrong", () => {
  it.each<readonly [string, string, NetdocProblem, string]>([
    ["extra-info allium ", "extra-info ", "missing-argument", "extra-info"],
    ["extra-info allium ", "extra-info allium A", "bad-argument", "extra-info"],
    ["published 20", "published x", "bad-argument", "published"],
    ["(86400 s) 1024", "86400 s) 1024", "bad-argument", "write-history"],
    ["(86400 s) 1024", "(0 s) 1024", "bad-argument", "write-history"],
    ["(86400 s) 1024", "(86400 s) 1024,", "bad-argument", "write-history"],
    ["overload-ratelimits 1 ", "overload-ratelimits 1 x", "bad-argument", "overload-ratelimits"],
    ["overload-fd-exhausted 1 2", "overload-fd-exhausted 1 x", "bad-argument", "overload-fd-exhausted"],
  ])("%s -> %s", (what, by, problem, keyword) => {
    const text = resigned(extraInfo.text, (body) => replaced(body, what, by));
    const error = caught(NetdocError, () => parseExtraInfo(text));
    assert.deepStrictEqual(
      [error.document, error.problem, error.keyword],
      ["extra-info document", problem, keyword],
      error.message,
    );
  });

  it("may have statistics of a version that is not known, and histories without numbers", () => {
    const document = resignedDocument(extraInfo.text, (body) =>
      body
        .replace("overload-ratelimits 1 ", "overload-ratelimits 2 ")
        .replace("overload-fd-exhausted 1", "overload-fd-exhausted 2")
        .replace("(86400 s) 1024,0,5000000000000", "(86400 s)"),
    );
    const named = { ...relay, extraInfo: { sha1: document.sha1, sha256: document.sha256 } };
    const read = parseExtraInfo(document.text).verify(named);
    assert.strictEqual(read.rateLimitOverload, undefined);
    assert.strictEqual(read.outOfFilesAt, undefined);
    assert.deepStrictEqual(read.histories["write-history"]?.bytes, []);
  });
});
