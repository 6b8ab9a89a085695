/**
 * Types of certificate: one number space for CERTS cells (tor-spec 4.2) and for Ed25519 certificates (cert-spec A.1).
 * In a name `XVerifiesY`, X signs and Y is certified.
 */
export const CertType = {
  /** X.509, TLS link key signed by the RSA identity. Obsolete. */
  RsaIdentityVerifiesLink: 1,
  /** X.509, the RSA identity signed by itself. */
  RsaIdentity: 2,
  /** X.509, RSA link authentication key signed by the RSA identity. Obsolete. */
  RsaIdentityVerifiesAuthentication: 3,
  /** Ed25519 identity key signs the medium-term signing key. */
  IdentityVerifiesSigning: 4,
  /** Signing key signs the SHA-256 of the TLS certificate. */
  SigningVerifiesLink: 5,
  /** Signing key signs the key of AUTHENTICATE cells. */
  SigningVerifiesAuthentication: 6,
  /** RSA identity signs the Ed25519 identity, in the format of cert-spec 2.3. */
  RsaIdentityVerifiesIdentity: 7,
  /** Onion service: blinded identity signs the descriptor signing key. */
  BlindedIdVerifiesDescriptorSigning: 8,
  /** Onion service: descriptor signing key and introduction point authentication key. */
  DescriptorSigningVerifiesIntroAuthentication: 9,
  /** Onion key, in Ed25519 form, signs the Ed25519 identity (dir-spec 2.1.1, ntor-onion-key-crosscert). */
  OnionKeyVerifiesIdentity: 0x0a,
  /** Onion service: descriptor signing key and introduction point encryption key. */
  DescriptorSigningVerifiesIntroEncryption: 0x0b,
  /** Family key signs the identity of a member (proposal 321). */
  FamilyVerifiesIdentity: 0x0c,
} as const;

/** One of the numbers of {@link CertType}. */
export type CertType = (typeof CertType)[keyof typeof CertType];

/** What an Ed25519 certificate certifies (cert-spec A.4). */
export const CertifiedKeyType = {
  /** An Ed25519 public key. */
  Ed25519: 1,
  /** SHA-256 of an RSA key. */
  RsaSha256: 2,
  /** SHA-256 of an X.509 certificate. */
  X509Sha256: 3,
} as const;

/** One of the numbers of {@link CertifiedKeyType}. */
export type CertifiedKeyType = (typeof CertifiedKeyType)[keyof typeof CertifiedKeyType];

const millisPerHour = 3_600_000;

/** Hours since the epoch, as certificates carry their end, of a time in milliseconds: rounded up, so never too short. */
export const expiryHours = (expiresAt: number): number =>
  Math.min(Math.max(Math.ceil(expiresAt / millisPerHour), 0), 0xffff_ffff);

/** The time in milliseconds since the epoch of a certificate's hours. */
export const expiryMillis = (hours: number): number => hours * millisPerHour;
