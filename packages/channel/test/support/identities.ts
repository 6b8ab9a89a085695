import { createHash } from "node:crypto";
import {
  CertType,
  Ed25519KeyPair,
  generateLinkKey,
  generateRsaIdentity,
  type RsaKeyPair,
  signEd25519Certificate,
} from "@allium/crypto";
import { LINK_IDENTITY_RANDOM_BYTES, type LinkIdentity, makeLinkIdentity } from "../../src/index.ts";

/** The time at which the tests begin. */
export const NOW = Date.UTC(2026, 0, 1, 12);

const DAY = 24 * 3_600_000;

/** RSA keys take long to make, and no test depends on which they are: made once for each test file. */
export const rsaKeys: ReadonlyArray<RsaKeyPair> = await Promise.all([
  generateRsaIdentity(),
  generateRsaIdentity(),
  generateRsaIdentity(),
]);

/** The TLS key that all relays of the tests share. */
export const tlsKey: RsaKeyPair = await generateLinkKey();

/** The same bytes for the same seed. */
export const seeded = (seed: string, length: number): Buffer =>
  createHash("shake256", { outputLength: length }).update(seed).digest();

/** Everything that a relay's link identity is made of, so that a test can bend a part of it. */
export interface IdentityParts {
  readonly rsa: RsaKeyPair;
  readonly master: Ed25519KeyPair;
  readonly signing: Ed25519KeyPair;
  readonly signingCert: Buffer;
  readonly link: LinkIdentity;
}

/** Makes the identity of a relay; `index` picks its RSA key. */
export const makeParts = (name: string, index: number, now: number = NOW): IdentityParts => {
  const rsa = rsaKeys[index % rsaKeys.length] as RsaKeyPair;
  const master = Ed25519KeyPair.fromSeed(seeded(`master ${name}`, 32));
  const signing = Ed25519KeyPair.fromSeed(seeded(`signing ${name}`, 32));
  const expiresAt = now + 30 * DAY;
  const signingCert = signEd25519Certificate(
    {
      certType: CertType.IdentityVerifiesSigning,
      certifiedKey: signing.publicKey,
      expiresAt,
      includeSigningKey: true,
    },
    master,
  );
  const link = makeLinkIdentity(
    {
      rsaIdentity: rsa,
      tlsKey,
      ed25519Id: master.publicKey,
      signingKey: signing,
      signingKeyCert: signingCert,
      signingKeyExpiresAt: expiresAt,
    },
    now,
    seeded(`link ${name}`, LINK_IDENTITY_RANDOM_BYTES),
  );
  return { rsa, master, signing, signingCert, link };
};

/** The link identity of a relay. */
export const makeIdentity = (name: string, index: number, now: number = NOW): LinkIdentity =>
  makeParts(name, index, now).link;
