import {
  NetdocError,
  parseExtraInfos,
  parseRouterDescriptors,
  parseSignedExtraInfos,
  parseSignedRouters,
  VerificationError,
} from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { caught } from "./support/caught.ts";
import { fixture } from "./support/fixtures.ts";

const routers = fixture("tor/router-descriptors");
const extraInfos = fixture("tor/extra-infos");

/** The text with one character of its last signature changed. */
const spoilt = (bytes: Buffer): Buffer => {
  const copy = Buffer.from(bytes);
  const at = copy.lastIndexOf("-----BEGIN SIGNATURE-----") + 40;
  copy[at] = copy[at] === 0x41 ? 0x42 : 0x41;
  return copy;
};

describe("descriptors as a cache reads them", () => {
  it("have the names that the whole reading gives them", () => {
    const whole = parseRouterDescriptors(routers).documents;
    const signed = parseSignedRouters(routers);
    assert.deepStrictEqual(signed.rejected, []);
    assert.deepStrictEqual(
      signed.documents,
      whole.map(({ fingerprint, digest, published, extraInfo, bytes }) => ({
        fingerprint,
        digest,
        published,
        extraInfo: extraInfo?.sha1,
        bytes,
      })),
    );
  });

  it("lose the annotations of a file", () => {
    const [first] = parseSignedRouters(routers).documents;
    const annotated = Buffer.concat([Buffer.from("@last-listed 2026-11-21 10:45:20\n"), routers]);
    assert.isTrue(parseSignedRouters(annotated).documents[0]?.bytes.equals(first?.bytes as Buffer));
  });

  it("are refused if the signature does not fit, and the others are not", () => {
    const all = parseSignedRouters(routers).documents;
    const { documents, rejected } = parseSignedRouters(spoilt(routers));
    assert.strictEqual(documents.length, all.length - 1);
    assert.instanceOf(rejected[0]?.error, VerificationError);
    const another = Buffer.from(routers.toString("latin1").replace(/^bandwidth .*$/m, "bandwidth 1 1 1"), "latin1");
    assert.strictEqual(parseSignedRouters(another).rejected.length, 1);
  });

  it("are refused if they lack what names them", () => {
    for (const keyword of ["published", "signing-key", "router-signature"]) {
      const lacking = Buffer.from(routers.toString("latin1").replace(`\n${keyword}`, "\nsomething-else"), "latin1");
      const { rejected } = parseSignedRouters(lacking);
      assert.instanceOf(rejected[0]?.error, NetdocError, keyword);
    }
  });
});

describe("extra-info documents as a cache reads them", () => {
  const documents = parseSignedExtraInfos(extraInfos).documents;
  const owners = new Map(parseSignedRouters(routers).documents.map((router) => [router.extraInfo, router]));
  const ownerOf = (digest: string) => owners.get(digest) ?? assert.fail("no owner");

  it("belong to the descriptors that name them", () => {
    assert.isAbove(documents.length, 0);
    assert.strictEqual(documents.length, parseExtraInfos(extraInfos).documents.length);
    for (const document of documents) document.verify(ownerOf(document.digest));
  });

  it("do not belong to another's, and not with another signature", () => {
    const [first, second] = documents;
    if (first === undefined || second === undefined) return assert.fail("too few");
    const strange = caught(VerificationError, () => first.verify(ownerOf(second.digest)));
    assert.strictEqual(strange.problem, "inconsistent");
    const last = parseSignedExtraInfos(spoilt(extraInfos)).documents.at(-1) ?? assert.fail("none");
    assert.strictEqual(caught(VerificationError, () => last.verify(ownerOf(last.digest))).problem, "bad-signature");
  });

  it("are refused if they lack what names them", () => {
    const lacking = Buffer.from(extraInfos.toString("latin1").replace("\npublished", "\nsomething-else"), "latin1");
    assert.instanceOf(parseSignedExtraInfos(lacking).rejected[0]?.error, NetdocError);
  });
});
