import { LINK_IDENTITY_RANDOM_BYTES, type LinkIdentity, makeLinkIdentity } from "@allium/channel";
import {
  CertType,
  Ed25519KeyPair,
  generateLinkKey,
  generateRsaIdentity,
  type RsaKeyPair,
  signEd25519Certificate,
} from "@allium/crypto";

const DAY = 24 * 3_600_000;

/** A relay that no consensus knows, with all of its secret keys: for certificates as they should be, and for others. */
export interface HostileIdentity {
  readonly link: LinkIdentity;
  readonly rsa: RsaKeyPair;
  readonly tlsKey: RsaKeyPair;
  /** The Ed25519 identity. */
  readonly master: Ed25519KeyPair;
  readonly signing: Ed25519KeyPair;
}

/** Fresh random bytes. */
export const randomBytes = (length: number): Buffer => crypto.getRandomValues(Buffer.alloc(length));

/** Making one takes a tenth of a second; all identities of a process share it. */
let tlsKeyOfAll: Promise<RsaKeyPair> | undefined;

/** Makes a new identity. */
export const makeIdentity = async (): Promise<HostileIdentity> => {
  tlsKeyOfAll ??= generateLinkKey();
  const [rsa, tlsKey] = await Promise.all([generateRsaIdentity(), tlsKeyOfAll]);
  const master = Ed25519KeyPair.fromSeed(randomBytes(32));
  const signing = Ed25519KeyPair.fromSeed(randomBytes(32));
  const now = Date.now();
  const link = makeLinkIdentity(
    {
      rsaIdentity: rsa,
      tlsKey,
      ed25519Id: master.publicKey,
      signingKey: signing,
      signingKeyCert: signEd25519Certificate(
        {
          certType: CertType.IdentityVerifiesSigning,
          certifiedKey: signing.publicKey,
          expiresAt: now + 30 * DAY,
          includeSigningKey: true,
        },
        master,
      ),
      signingKeyExpiresAt: now + 30 * DAY,
    },
    now,
    randomBytes(LINK_IDENTITY_RANDOM_BYTES),
  );
  return { link, rsa, tlsKey, master, signing };
};
