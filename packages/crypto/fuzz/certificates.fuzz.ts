import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  CertificateError,
  CertifiedKeyType,
  CertType,
  certificatePem,
  Ed25519KeyPair,
  KeyError,
  onionPublicKeyAsEd25519,
  parseEd25519Certificate,
  parseRsaCrossCertificate,
  parseX509,
  rsaKeyPairFromPem,
  rsaPublicKeyFromDer,
  signEd25519Certificate,
  signRsaCrossCertificate,
  verifyEd25519Certificate,
  verifyRsaCrossCertificate,
  verifyRsaIdentityCertificate,
} from "../src/index.ts";
import torRelay from "../test/vectors/tor-certs-cell.json" with { type: "json" };

const now = Date.parse(torRelay.now);
const rsa = rsaKeyPairFromPem(torRelay.secretIdKey);
const signer = Ed25519KeyPair.fromSeed(Buffer.alloc(32, 1));
const certificates = Object.values(torRelay.certs).map((text) => Buffer.from(text, "hex"));
const crossCertificate = signRsaCrossCertificate(rsa, signer.publicKey, now);
const signed = signEd25519Certificate(
  {
    certType: CertType.IdentityVerifiesSigning,
    certifiedKey: signer.publicKey,
    expiresAt: now,
    includeSigningKey: true,
  },
  signer,
);

/** Runs a parser on hostile bytes: its own errors are answers, all others are findings. */
const expecting = (run: () => unknown): boolean => {
  try {
    run();
    return true;
  } catch (error) {
    if (error instanceof CertificateError || error instanceof KeyError) return false;
    throw error;
  }
};

const near = (random: Random, valid: Uint8Array): Buffer =>
  random.oneIn(16) ? random.bytes(random.below(300)) : random.mutate(valid);

/** Bytes that differ from the signed ones must not verify. */
const unforged = (bytes: Buffer, valid: Buffer, believed: boolean): void => {
  if (believed && !bytes.equals(valid)) throw new Error(`forged: ${bytes.toString("hex")}`);
};

/** Targets: what a peer can send as a certificate or a key. */
export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "crypto/ed25519-certificate",
    run: (random) => {
      const bytes = near(random, signed);
      const believed = expecting(() =>
        verifyEd25519Certificate(parseEd25519Certificate(bytes), {
          certType: CertType.IdentityVerifiesSigning,
          keyType: CertifiedKeyType.Ed25519,
          signedBy: signer.publicKey,
          now,
        }),
      );
      unforged(bytes, signed, believed);
    },
  },
  {
    name: "crypto/rsa-cross-certificate",
    run: (random) => {
      const bytes = near(random, crossCertificate);
      const believed = expecting(() =>
        verifyRsaCrossCertificate(parseRsaCrossCertificate(bytes), {
          rsa: rsa.publicKey,
          identity: signer.publicKey,
          now,
        }),
      );
      unforged(bytes, crossCertificate, believed);
    },
  },
  {
    name: "crypto/x509",
    run: (random) => {
      const valid = random.pick(certificates);
      const bytes = near(random, random.oneIn(8) ? Buffer.from(certificatePem(valid)) : valid);
      expecting(() => {
        const certificate = parseX509(bytes);
        certificate.signedBy(rsa.publicKey.key);
        verifyRsaIdentityCertificate(certificate, now);
      });
    },
  },
  {
    name: "crypto/rsa-public-key",
    run: (random) => void expecting(() => rsaPublicKeyFromDer(near(random, rsa.publicKey.der))),
  },
  {
    name: "crypto/onion-key-as-ed25519",
    run: (random) =>
      void expecting(() => onionPublicKeyAsEd25519(near(random, signer.publicKey), random.oneIn(2) ? 0 : 1)),
  },
];
