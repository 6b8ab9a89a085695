import {
  NetdocError,
  parseAuthorityCertificate,
  parseAuthorityCertificates,
  ValidityError,
  VerificationError,
} from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { caught } from "./support/caught.ts";
import { fixture, fixtureText } from "./support/fixtures.ts";
import { replaced } from "./support/network.ts";

const arti = fixtureText("arti/authcert1.txt");

describe("an authority's certificate", () => {
  it("names the authority and its keys (Arti's authcert1)", () => {
    const certificate = parseAuthorityCertificate(arti);
    assert.strictEqual(certificate.identity, "ED03BB616EB2F60BEC80151114BB25CEF515B226");
    assert.strictEqual(certificate.signingKeyDigest, "C4F720E2C59F9DDD4867FFF465CA04031E35648F");
    assert.strictEqual(certificate.identityKey.bits, 3072);
    assert.strictEqual(certificate.signingKey.bits, 2048);
    assert.strictEqual(certificate.dirAddress, undefined);
    assert.strictEqual(certificate.bytes.toString(), arti);
  });

  it("holds until it expires", () => {
    const certificate = parseAuthorityCertificate(arti);
    assert.isBelow(certificate.published, certificate.expires);
    assert.isTrue(certificate.isValidAt(certificate.expires - 1));
    assert.isFalse(certificate.isValidAt(certificate.expires));
    assert.doesNotThrow(() => certificate.checkValid(certificate.expires - 1));
    const error = caught(ValidityError, () => certificate.checkValid(certificate.expires));
    assert.deepStrictEqual([error.document, error.problem], ["authority certificate", "expired"]);
  });

  it("is one of many in what a tor 0.4.9.11 authority sends", () => {
    const { documents, rejected } = parseAuthorityCertificates(fixture("tor/certificates"));
    assert.strictEqual(documents.length, 3);
    assert.deepStrictEqual(rejected, []);
    assert.deepStrictEqual(documents[0]?.dirAddress, { address: "127.0.0.1", port: 20001 });
    assert.strictEqual(Buffer.concat(documents.map(({ bytes }) => bytes)).toString(), fixtureText("tor/certificates"));
  });

  it("may have its cross-signature under the older label", () => {
    const text = arti.replaceAll("ID SIGNATURE", "SIGNATURE");
    // The label is part of what is signed, so the text is well-formed and no more.
    assert.strictEqual(caught(VerificationError, () => parseAuthorityCertificate(text)).problem, "bad-signature");
  });
});

describe("a certificate that is wrong", () => {
  it("is not by the identity key", () => {
    const error = caught(VerificationError, () =>
      parseAuthorityCertificate(replaced(arti, "dir-key-expires 20", "dir-key-expires 21")),
    );
    assert.deepStrictEqual(
      [error._tag, error.problem, error.keyword],
      ["VerificationError", "bad-signature", "dir-key-certification"],
    );
  });

  it("has the fingerprint of another key", () => {
    const error = caught(VerificationError, () => parseAuthorityCertificate(fixture("arti/bad-certs/bad-fingerprint")));
    assert.deepStrictEqual([error.problem, error.keyword], ["inconsistent", "fingerprint"]);
  });

  it("has keys that are none", () => {
    for (const [what, by] of [
      ["dir-identity-key\n-----BEGIN RSA PUBLIC KEY-----\nM", "dir-identity-key\n-----BEGIN RSA PUBLIC KEY-----\nN"],
      ["dir-signing-key\n-----BEGIN RSA PUBLIC KEY-----\nM", "dir-signing-key\n-----BEGIN RSA PUBLIC KEY-----\n-M"],
    ] as const)
      assert.include(
        ["bad-object", "bad-object-end"],
        caught(NetdocError, () => parseAuthorityCertificate(replaced(arti, what, by))).problem,
      );
  });

  it("expires at no time", () => {
    const error = caught(NetdocError, () =>
      parseAuthorityCertificate(replaced(arti, "dir-key-expires 2", "dir-key-expires x")),
    );
    assert.deepStrictEqual([error.problem, error.keyword, error.column], ["bad-argument", "dir-key-expires", 28]);
  });

  // Names and lines as in Arti's tests, crates/tor-netdoc/src/doc/authcert.rs.
  it.each([
    ["bad-cc-tag", "unexpected-object", 27, 1],
    ["bad-version", "unknown-version", 1, 29],
    ["wrong-end", "misplaced-item", 17, 1],
    ["wrong-start", "misplaced-item", 2, 1],
  ] as const)("Arti's %s", (name, problem, line, column) => {
    const error = caught(NetdocError, () => parseAuthorityCertificate(fixture(`arti/bad-certs/${name}`)));
    assert.deepStrictEqual([error.problem, error.line, error.column], [problem, line, column], error.message);
  });

  it("does not spoil the ones after it", () => {
    const bad = fixtureText("arti/bad-certs/bad-version");
    const { documents, rejected } = parseAuthorityCertificates(`<><><<><>\nfingerprint ABC\n${bad}${arti}`);
    assert.strictEqual(documents.length, 1);
    assert.deepStrictEqual(
      rejected.map(({ start, end, error }) => [start, end, (error as NetdocError).line]),
      [
        [0, 26, 1],
        [26, 26 + bad.length, 3],
      ],
    );
  });
});
