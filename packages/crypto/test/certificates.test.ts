import { assert, describe, it } from "@effect/vitest";
import {
  CertificateError,
  CertifiedKeyType,
  CertType,
  type Ed25519CertificateExpectation,
  KeyError,
  onionKeyAsEd25519,
  onionPublicKeyAsEd25519,
  parseEd25519Certificate,
  parseRsaCrossCertificate,
  rsaKeyPairFromPem,
  rsaPublicKeyFromDer,
  signEd25519Certificate,
  signOnionKeyCrossCertificate,
  signRsaCrossCertificate,
  verifyEd25519Certificate,
  verifyOnionKeyCrossCertificate,
  verifyRsaCrossCertificate,
  X25519KeyPair,
} from "../src/index.ts";
import { ed25519Key, flipped, hex, thrown, x25519Key } from "./support.ts";
import vectors from "./vectors/certificates.json" with { type: "json" };
import conversions from "./vectors/onion-key-conversion.json" with { type: "json" };
import torRelay from "./vectors/tor-certs-cell.json" with { type: "json" };

const hour = 3_600_000;
const vectorNow = Date.parse(vectors.now);
const problemOf = (run: () => unknown): string => {
  const error = thrown(CertificateError, run);
  assert.strictEqual(error._tag, "CertificateError");
  return `${error.problem} ${error.field} ${error.offset}`;
};

describe("Ed25519 certificates", () => {
  const { signing, link, malformed } = vectors;

  it("the signing key certificate of a real CERTS cell parses and verifies", () => {
    const certificate = parseEd25519Certificate(hex(signing.certificate));
    assert.strictEqual(certificate.certType, CertType.IdentityVerifiesSigning);
    assert.strictEqual(certificate.certifiedKey.toString("hex"), signing.certifies);
    assert.strictEqual(certificate.signingKey?.toString("hex"), signing.signedBy);
    assert.strictEqual(certificate.expiresAt, Date.parse(signing.expires));
    const signer = verifyEd25519Certificate(certificate, {
      certType: CertType.IdentityVerifiesSigning,
      now: vectorNow,
    });
    assert.strictEqual(signer.toString("hex"), signing.signedBy);
  });

  it("the link certificate of a real CERTS cell parses and verifies", () => {
    const certificate = parseEd25519Certificate(hex(link.certificate));
    assert.strictEqual(certificate.keyType, CertifiedKeyType.X509Sha256);
    assert.strictEqual(certificate.certifiedKey.toString("hex"), link.certifies);
    assert.strictEqual(certificate.expiresAt, Date.parse(link.expires));
    verifyEd25519Certificate(certificate, {
      certType: CertType.SigningVerifiesLink,
      keyType: CertifiedKeyType.X509Sha256,
      signedBy: hex(link.signedBy),
      now: vectorNow,
    });
  });

  it("a link certificate of an old tor, which calls the digest a key, is what it is", () => {
    const signer = ed25519Key(1);
    const bytes = signEd25519Certificate(
      { certType: CertType.SigningVerifiesLink, certifiedKey: Buffer.alloc(32, 1), expiresAt: vectorNow },
      signer,
    );
    assert.strictEqual(parseEd25519Certificate(bytes).keyType, CertifiedKeyType.X509Sha256);
  });

  it.each([
    ["nothing", "", "truncated VERSION 0"],
    ["another version", malformed.version, "unknown-version VERSION 0"],
    ["a signing key of 33 bytes", malformed.keyExtensionLength, "bad-extension-length ExtLength 40"],
    ["an unknown critical extension", malformed.criticalExtension, "unknown-critical-extension ExtType 42"],
    ["a cut key", signing.certificate.slice(0, 60), "truncated CERTIFIED_KEY 30"],
    ["a cut signature", link.certificate.slice(0, -2), "truncated SIGNATURE 40"],
    ["an extension that reaches into the signature", signing.certificate.slice(0, -2), "truncated ExtData 44"],
    ["bytes behind the signature", `${signing.certificate}00`, "trailing-bytes SIGNATURE 140"],
    ["an extension longer than the rest", signing.certificate.replace("01002004", "01ffff04"), "truncated ExtData 44"],
    ["more extensions than there are", link.certificate.replace(/^(.{78})00/, "$1ff"), "truncated"],
  ])("refuses %s", (_what, bytes, expected) => {
    assert.include(
      problemOf(() => parseEd25519Certificate(hex(bytes))),
      expected,
    );
  });

  it("refuses two signing keys, and ignores an unknown extension that does not matter", () => {
    const key = signing.certificate.slice(80, 152);
    const [head, signature] = [signing.certificate.slice(0, 78), signing.certificate.slice(152)];
    assert.strictEqual(
      problemOf(() => parseEd25519Certificate(hex(`${head}02${key}${key}${signature}`))),
      "duplicate-extension ExtType 78",
    );
    const extended = parseEd25519Certificate(hex(`${head}02${key}00017f00aa${signature}`));
    assert.strictEqual(extended.signingKey?.toString("hex"), signing.signedBy);
  });

  it("refuses a header that ends before an extension's", () => {
    const bytes = hex(`${link.certificate.slice(0, 78)}01${"00".repeat(64)}`);
    assert.strictEqual(
      problemOf(() => parseEd25519Certificate(bytes)),
      "truncated EXTENSIONS 40",
    );
  });

  const good: Ed25519CertificateExpectation = { certType: CertType.IdentityVerifiesSigning, now: vectorNow };
  it.each<readonly [string, string, Ed25519CertificateExpectation]>([
    ["another type", "wrong-type CERT_TYPE 1", { ...good, certType: CertType.FamilyVerifiesIdentity }],
    ["another kind of key", "wrong-type CERT_KEY_TYPE 6", { ...good, keyType: CertifiedKeyType.RsaSha256 }],
    ["another signer", "wrong-key ExtData 40", { ...good, signedBy: ed25519Key(1).publicKey }],
    ["an hour that is over", "expired EXPIRATION_DATE 2", { ...good, now: Date.parse(signing.expires) + 1 }],
  ])("does not believe a certificate of %s", (_what, expected, expectation) => {
    const certificate = parseEd25519Certificate(hex(signing.certificate));
    assert.strictEqual(
      problemOf(() => verifyEd25519Certificate(certificate, expectation)),
      expected,
    );
  });

  it("believes a certificate to the end of its last hour", () => {
    const certificate = parseEd25519Certificate(hex(signing.certificate));
    verifyEd25519Certificate(certificate, { ...good, now: Date.parse(signing.expires) });
  });

  it("needs a signer from somewhere", () => {
    const certificate = parseEd25519Certificate(hex(link.certificate));
    const expectation = { ...good, certType: CertType.SigningVerifiesLink, keyType: CertifiedKeyType.X509Sha256 };
    assert.strictEqual(
      problemOf(() => verifyEd25519Certificate(certificate, expectation)),
      "missing-signing-key EXTENSIONS 40",
    );
  });

  it("notices each changed byte", () => {
    const signer = ed25519Key(7);
    const bytes = signEd25519Certificate(
      {
        certType: CertType.IdentityVerifiesSigning,
        certifiedKey: ed25519Key(8).publicKey,
        expiresAt: vectorNow + hour,
        includeSigningKey: true,
      },
      signer,
    );
    verifyEd25519Certificate(parseEd25519Certificate(bytes), { ...good, signedBy: signer.publicKey });
    for (let at = 0; at < bytes.length; at++)
      thrown(CertificateError, () =>
        verifyEd25519Certificate(parseEd25519Certificate(flipped(bytes, at)), { ...good, signedBy: signer.publicKey }),
      );
  });

  it("rounds the end up to the hour", () => {
    const bytes = signEd25519Certificate(
      { certType: CertType.IdentityVerifiesSigning, certifiedKey: Buffer.alloc(32), expiresAt: 5 * hour + 1 },
      ed25519Key(1),
    );
    assert.strictEqual(parseEd25519Certificate(bytes).expiresAt, 6 * hour);
  });

  it("certifies 32 bytes only", () => {
    const content = { certType: CertType.IdentityVerifiesSigning, certifiedKey: Buffer.alloc(20), expiresAt: 0 };
    assert.strictEqual(thrown(KeyError, () => signEd25519Certificate(content, ed25519Key(1))).problem, "bad-length");
  });
});

describe("RSA to Ed25519 cross-certificates", () => {
  const { rsaCross } = vectors;
  const expected = {
    rsa: rsaPublicKeyFromDer(hex(rsaCross.rsa)),
    identity: hex(rsaCross.identity),
    now: vectorNow,
  };

  it("one of a real CERTS cell verifies with its RSA key alone", () => {
    const certificate = parseRsaCrossCertificate(hex(rsaCross.certificate));
    verifyRsaCrossCertificate(certificate, expected);
    const wrong = { ...expected, rsa: rsaPublicKeyFromDer(hex(rsaCross.wrongRsa)) };
    assert.strictEqual(
      problemOf(() => verifyRsaCrossCertificate(certificate, wrong)),
      "bad-signature SIGNATURE 37",
    );
  });

  it("joins these two identities only, and for its time", () => {
    const certificate = parseRsaCrossCertificate(hex(rsaCross.certificate));
    assert.strictEqual(
      problemOf(() => verifyRsaCrossCertificate(certificate, { ...expected, identity: Buffer.alloc(32) })),
      "wrong-key ED25519_KEY 0",
    );
    assert.strictEqual(
      problemOf(() => verifyRsaCrossCertificate(certificate, { ...expected, now: certificate.expiresAt + 1 })),
      "expired EXPIRATION_DATE 32",
    );
  });

  it("verifies what it signs, and notices each changed byte", () => {
    const rsa = rsaKeyPairFromPem(torRelay.secretIdKey);
    const identity = ed25519Key(3).publicKey;
    const bytes = signRsaCrossCertificate(rsa, identity, vectorNow);
    const expectation = { rsa: rsa.publicKey, identity, now: vectorNow };
    verifyRsaCrossCertificate(parseRsaCrossCertificate(bytes), expectation);
    for (let at = 0; at < bytes.length; at++)
      thrown(CertificateError, () =>
        verifyRsaCrossCertificate(parseRsaCrossCertificate(flipped(bytes, at)), expectation),
      );
    assert.strictEqual(thrown(KeyError, () => signRsaCrossCertificate(rsa, Buffer.alloc(31), 0)).problem, "bad-length");
  });

  it.each([
    ["a cut one", hex(rsaCross.certificate).subarray(0, 36), "truncated SIGLEN 36"],
    ["a cut signature", hex(rsaCross.certificate).subarray(0, 100), "truncated SIGNATURE 100"],
    ["bytes behind it", hex(`${rsaCross.certificate}00`), "trailing-bytes SIGNATURE 165"],
  ])("refuses %s", (_what, bytes, expectedProblem) => {
    assert.strictEqual(
      problemOf(() => parseRsaCrossCertificate(bytes)),
      expectedProblem,
    );
  });
});

describe("onion key cross-certificates", () => {
  it.each(conversions.runs)("an onion key has the Ed25519 form that tor gives it ($sign, $ed25519Public)", (run) => {
    const onionKey = X25519KeyPair.fromSecret(hex(run.x25519Secret));
    const signer = onionKeyAsEd25519(onionKey);
    assert.strictEqual(signer.publicKey.toString("hex"), run.ed25519Public);
    assert.strictEqual(signer.signBit, run.sign);
    assert.strictEqual(onionPublicKeyAsEd25519(onionKey.publicKey, signer.signBit).toString("hex"), run.ed25519Public);
  });

  it.each([1, 2, 3, 4, 5, 6])("onion key %i vouches for an identity", (seed) => {
    const onionKey = x25519Key(seed);
    const identity = ed25519Key(seed).publicKey;
    const { certificate, sign } = signOnionKeyCrossCertificate(onionKey, identity, vectorNow);
    const parsed = parseEd25519Certificate(certificate);
    const expected = { onionKey: onionKey.publicKey, sign, identity, now: vectorNow };
    verifyOnionKeyCrossCertificate(parsed, expected);
    const refuse = (change: Partial<typeof expected>) =>
      problemOf(() => verifyOnionKeyCrossCertificate(parsed, { ...expected, ...change }));
    assert.strictEqual(refuse({ sign: sign === 0 ? 1 : 0 }), "bad-signature SIGNATURE 40");
    assert.strictEqual(refuse({ onionKey: x25519Key(seed + 100).publicKey }), "bad-signature SIGNATURE 40");
    assert.strictEqual(refuse({ identity: ed25519Key(seed + 100).publicKey }), "wrong-key CERTIFIED_KEY 7");
    assert.strictEqual(refuse({ now: vectorNow + hour }), "expired EXPIRATION_DATE 2");
  });

  it("refuses what is no point of the curve", () => {
    const minusOne = flipped(Buffer.concat([Buffer.alloc(31, 0xff), hex("7f")]), 0);
    minusOne[0] = 0xec;
    assert.strictEqual(thrown(KeyError, () => onionPublicKeyAsEd25519(minusOne, 0)).problem, "not-on-curve");
    // 2 is the u-coordinate of a point of the twist.
    const twist = Buffer.concat([hex("02"), Buffer.alloc(31)]);
    assert.strictEqual(thrown(KeyError, () => onionPublicKeyAsEd25519(twist, 0)).problem, "not-on-curve");
    assert.strictEqual(thrown(KeyError, () => onionPublicKeyAsEd25519(Buffer.alloc(31), 0)).problem, "bad-length");
  });
});
