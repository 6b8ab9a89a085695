import { generateKeyPairSync } from "node:crypto";
import { createServer, connect as tlsConnect } from "node:tls";
import { assert, describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import {
  CertificateError,
  CertifiedKeyType,
  CertType,
  certificateDigest,
  certificatePem,
  generateLinkKey,
  generateRsaIdentity,
  identityCertificateLifetime,
  makeTlsCertificates,
  parseEd25519Certificate,
  parseRsaCrossCertificate,
  parseX509,
  type RsaKeyPair,
  rsaIdentityDigest,
  rsaKeyPairFromPem,
  rsaKeyPairToPem,
  rsaPublicKeyFromKeyObject,
  signX509,
  tlsCertificateRandomBytes,
  verifyEd25519Certificate,
  verifyRsaCrossCertificate,
  verifyRsaIdentityCertificate,
  type X509Content,
} from "../src/index.ts";
import { flipped, hex, thrown } from "./support.ts";
import torRelay from "./vectors/tor-certs-cell.json" with { type: "json" };

const day = 86_400_000;
const now = Date.parse(torRelay.now);
const identity = rsaKeyPairFromPem(torRelay.secretIdKey);
const problemOf = (run: () => unknown): string => {
  const error = thrown(CertificateError, run);
  return `${error.format} ${error.problem} ${error.field}`;
};

describe("the certificates of a tor relay", () => {
  const { certs } = torRelay;

  it("prove its two identities, and that the TLS session is its own", () => {
    const rsa = verifyRsaIdentityCertificate(parseX509(hex(certs[2])), now);
    assert.strictEqual(rsaIdentityDigest(rsa).toString("hex"), torRelay.rsaIdentity);

    const signing = parseEd25519Certificate(hex(certs[4]));
    const ed25519Identity = verifyEd25519Certificate(signing, { certType: CertType.IdentityVerifiesSigning, now });
    assert.strictEqual(ed25519Identity.toString("base64").replace("=", ""), torRelay.ed25519Identity);
    verifyRsaCrossCertificate(parseRsaCrossCertificate(hex(certs[7])), { rsa, identity: ed25519Identity, now });

    const link = parseEd25519Certificate(hex(certs[5]));
    verifyEd25519Certificate(link, {
      certType: CertType.SigningVerifiesLink,
      keyType: CertifiedKeyType.X509Sha256,
      signedBy: signing.certifiedKey,
      now,
    });
    assert.deepStrictEqual(link.certifiedKey, certificateDigest(hex(torRelay.tlsCertificate)));
    assert.isTrue(parseX509(hex(torRelay.tlsCertificate)).signedBy(rsa.key));
  });

  it("have the form that ours have", () => {
    const ours = makeTlsCertificates({
      identity,
      link: identity.publicKey,
      now,
      linkLifetime: 2 * day,
      random: Buffer.alloc(tlsCertificateRandomBytes, 0x5a),
    });
    // Names differ in length, by at most 24 letters each.
    assert.approximately(ours.identity.length, hex(certs[2]).length, 48);
  });
});

describe("TLS certificates of ours", () => {
  const random = new Random(1).bytes(tlsCertificateRandomBytes);

  it("show the RSA identity, and neither the moment nor the name of the relay", () => {
    const made = makeTlsCertificates({ identity, link: identity.publicKey, now, linkLifetime: 2 * day, random });
    const parsed = parseX509(made.identity);
    assert.deepStrictEqual(verifyRsaIdentityCertificate(parsed, now).der, identity.publicKey.der);
    assert.strictEqual(parsed.notBefore % day, 0);
    assert.isAtMost(parsed.notBefore, now);
    assert.strictEqual(parsed.notAfter - parsed.notBefore, identityCertificateLifetime);
    const link = parseX509(made.link);
    assert.isAtLeast(link.notAfter - now, 2 * day);
    assert.isTrue(link.signedBy(identity.publicKey.key));
    assert.deepStrictEqual(
      makeTlsCertificates({ identity, link: identity.publicKey, now, linkLifetime: 2 * day, random }),
      made,
    );
  });

  it("make a TLS server whose client sees exactly these bytes", async () => {
    const [identityKey, linkKey] = await Promise.all([generateRsaIdentity(), generateLinkKey()]);
    const { link } = makeTlsCertificates({
      identity: identityKey,
      link: linkKey.publicKey,
      now: Date.now(),
      linkLifetime: 2 * day,
      random,
    });
    const server = createServer({ key: rsaKeyPairToPem(linkKey), cert: certificatePem(link) });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : assert.fail("no port");
    const seen = await new Promise<Buffer | undefined>((resolve, reject) => {
      const socket = tlsConnect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()?.raw);
        socket.destroy();
      });
      socket.on("error", reject);
    });
    server.close();
    assert.deepStrictEqual(seen, link);
  });

  it.each([
    [Date.UTC(2049, 11, 31, 23, 59, 59), "170d3439313233313233353935395a"],
    [Date.UTC(2050, 0, 1, 0, 0, 0, 999), "180f32303530303130313030303030305a"],
  ])("write the time %i as RFC 5280 wants it", (notAfter, expected) => {
    const written = signX509(
      { publicKey: identity.publicKey, subject: "a", issuer: "b", serial: hex("01"), notBefore: now, notAfter },
      identity,
    );
    assert.include(written.toString("hex"), expected);
  });

  it.each([
    ["00007f", "02017f"],
    ["80", "02020080"],
    ["ffffffffffffffff", "020900ffffffffffffffff"],
    ["00", "020100"],
    ["", "020100"],
  ])("write the serial number %s in its shortest form", (serial, expected) => {
    const written = signX509(
      { publicKey: identity.publicKey, subject: "a", issuer: "b", serial: hex(serial), notBefore: now, notAfter: now },
      identity,
    );
    // It follows the version, the first thing of all.
    assert.include(written.toString("hex"), `a003020102${expected}300d`);
  });
});

describe("a peer's X.509 certificate", () => {
  const certificate = hex(torRelay.certs[2]);
  const content: X509Content = {
    publicKey: identity.publicKey,
    subject: "www.example.com",
    issuer: "www.example.com",
    serial: hex("0102030405060708"),
    notBefore: now - day,
    notAfter: now + day,
  };
  const signed = (change: Partial<X509Content>, signer: RsaKeyPair = identity) =>
    parseX509(signX509({ ...content, ...change }, signer));

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["noise", new Random(2).bytes(300)],
    ["a cut one", certificate.subarray(0, 200)],
    ["bytes behind it", Buffer.concat([certificate, hex("00")])],
    ["PEM", Buffer.from(certificatePem(certificate))],
  ])("is refused when it is %s", (_what, bytes) => {
    assert.strictEqual(
      problemOf(() => parseX509(bytes)),
      "x509 not-der Certificate",
    );
  });

  it("is refused when its key is of no known kind", () => {
    const rsaEncryption = hex("2a864886f70d010101");
    const unknown = Buffer.from(certificate);
    unknown[certificate.indexOf(rsaEncryption) + rsaEncryption.length - 1] = 0x7f;
    assert.strictEqual(
      problemOf(() => parseX509(unknown)),
      "x509 wrong-key SubjectPublicKeyInfo",
    );
  });

  it("is refused when its dates are none", () => {
    const good = signX509({ ...content, notAfter: Date.UTC(2030, 0, 1) }, identity);
    const at = good.indexOf("300101000000Z");
    const bad = Buffer.from(good);
    bad.write("309901000000Z", at);
    // Again and again: the platform makes a date of it once in thousands of times.
    for (let time = 0; time < 5_000; time++) {
      assert.strictEqual(
        problemOf(() => parseX509(bad)),
        "x509 not-der Validity",
      );
    }
  });

  it("is believed a little before and after its time, as tor does it, and no longer", () => {
    const parsed = signed({});
    verifyRsaIdentityCertificate(parsed, parsed.notAfter + 2 * day);
    verifyRsaIdentityCertificate(parsed, parsed.notBefore - 30 * day);
    assert.strictEqual(
      problemOf(() => verifyRsaIdentityCertificate(parsed, parsed.notAfter + 2 * day + 1)),
      "x509 expired notAfter",
    );
    assert.strictEqual(
      problemOf(() => verifyRsaIdentityCertificate(parsed, parsed.notBefore - 30 * day - 1)),
      "x509 not-yet-valid notBefore",
    );
  });

  it("is not believed as an identity when another key signed it", async () => {
    const parsed = signed({}, await generateRsaIdentity());
    assert.strictEqual(
      problemOf(() => verifyRsaIdentityCertificate(parsed, now)),
      "x509 bad-signature signatureValue",
    );
    assert.strictEqual(
      problemOf(() => verifyRsaIdentityCertificate(parseX509(flipped(certificate, certificate.length - 1)), now)),
      "x509 bad-signature signatureValue",
    );
  });

  it("is not believed as an identity with a key that is not RSA of 1024 bits", async () => {
    const link = await generateLinkKey();
    assert.strictEqual(
      problemOf(() => verifyRsaIdentityCertificate(signed({ publicKey: link.publicKey }, link), now)),
      "x509 wrong-key SubjectPublicKeyInfo",
    );
    const curve = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey;
    const parsed = signed({ publicKey: { key: curve, der: Buffer.alloc(0), bits: 256 } });
    assert.strictEqual(
      problemOf(() => verifyRsaIdentityCertificate(parsed, now)),
      "x509 wrong-key SubjectPublicKeyInfo",
    );
    assert.isFalse(parsed.signedBy(curve));
    assert.strictEqual(rsaPublicKeyFromKeyObject(identity.privateKey).bits, 1024);
  });
});
