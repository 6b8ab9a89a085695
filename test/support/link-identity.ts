import { LINK_IDENTITY_RANDOM_BYTES, type LinkIdentity, makeLinkIdentity } from "@allium/channel";
import { CertType, Ed25519KeyPair, type RsaKeyPair, signEd25519Certificate } from "@allium/crypto";

const LIFETIME_MILLIS = 30 * 86_400_000;

/** RSA keys take long to make: tests make a few, and share them. */
export interface RsaKeys {
  /** The RSA identity. */
  readonly rsa: RsaKeyPair;
  readonly tlsKey: RsaKeyPair;
}

/** A relay's link identity with all of its secret keys: for certificates as they should be, and for others. */
export interface IdentityParts extends RsaKeys {
  /** The Ed25519 identity. */
  readonly master: Ed25519KeyPair;
  readonly signing: Ed25519KeyPair;
  readonly signingCert: Buffer;
  readonly link: LinkIdentity;
}

/** Makes the identity of a relay, good for thirty days. Asks `draw` for the bytes of its master key, its signing key and the rest. */
export const makeIdentityParts = (
  { rsa, tlsKey }: RsaKeys,
  now: number,
  draw: (length: number, what: "master" | "signing" | "link") => Buffer,
): IdentityParts => {
  const master = Ed25519KeyPair.fromSeed(draw(32, "master"));
  const signing = Ed25519KeyPair.fromSeed(draw(32, "signing"));
  const expiresAt = now + LIFETIME_MILLIS;
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
    draw(LINK_IDENTITY_RANDOM_BYTES, "link"),
  );
  return { rsa, tlsKey, master, signing, signingCert, link };
};
