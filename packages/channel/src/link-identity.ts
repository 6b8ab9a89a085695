import type { CellCert } from "@allium/cell";
import {
  CertifiedKeyType,
  CertType,
  certificateDigest,
  certificatePem,
  Ed25519KeyPair,
  type Ed25519Signer,
  ed25519KeyLength,
  makeTlsCertificates,
  type RsaKeyPair,
  rsaIdentityDigest,
  rsaIdentityDigest256,
  signEd25519Certificate,
  signRsaCrossCertificate,
  tlsCertificateRandomBytes,
} from "@allium/crypto";
import type { TlsServerIdentity } from "./transport.ts";

/** Who is at the other end of a channel: both of a relay's long-term identities. */
export interface PeerIdentity {
  /** SHA-1 of the RSA identity key, 20 bytes. */
  readonly rsaId: Buffer;
  /** The Ed25519 identity key, 32 bytes. */
  readonly ed25519Id: Buffer;
}

/** What a relay proves its identity with on channels, in both roles. Certificates expire: make a new one in time. */
export interface LinkIdentity {
  readonly peer: PeerIdentity;
  /** SHA-256 of the RSA identity key: CID and SID of an AUTHENTICATE cell. */
  readonly rsaId256: Buffer;
  /** The CERTS of the side that listens. */
  readonly responderCerts: ReadonlyArray<CellCert>;
  /** The CERTS of the side that connects. */
  readonly initiatorCerts: ReadonlyArray<CellCert>;
  /** Signs AUTHENTICATE cells. */
  readonly authenticationKey: Ed25519KeyPair;
  /** What the listening TLS side presents. */
  readonly tls: TlsServerIdentity;
  /** Milliseconds since the epoch at which the first of its certificates ends. */
  readonly expiresAt: number;
}

/** The long-term keys from which a {@link LinkIdentity} is made. */
export interface LinkIdentityKeys {
  readonly rsaIdentity: RsaKeyPair;
  /** The TLS server's key. */
  readonly tlsKey: RsaKeyPair;
  /** The Ed25519 identity, 32 bytes; its secret half is not needed. */
  readonly ed25519Id: Buffer;
  /** The medium-term signing key and the certificate by which the identity vouches for it (type 4). */
  readonly signingKey: Ed25519Signer;
  readonly signingKeyCert: Buffer;
  /** Milliseconds since the epoch at which that certificate ends. */
  readonly signingKeyExpiresAt: number;
}

/** How many random bytes {@link makeLinkIdentity} takes. */
export const LINK_IDENTITY_RANDOM_BYTES = tlsCertificateRandomBytes + ed25519KeyLength;

/** How long link and authentication certificates live: two days, as `tor`'s. */
export const LINK_CERT_LIFETIME_MILLIS = 2 * 24 * 3_600_000;

/**
 * Makes fresh link and authentication certificates (tor-spec, "CERTS cells").
 *
 * @param now milliseconds since the epoch
 * @param random {@link LINK_IDENTITY_RANDOM_BYTES} bytes
 */
export const makeLinkIdentity = (keys: LinkIdentityKeys, now: number, random: Buffer): LinkIdentity => {
  const { rsaIdentity, signingKey, ed25519Id } = keys;
  const expiresAt = Math.min(now + LINK_CERT_LIFETIME_MILLIS, keys.signingKeyExpiresAt);
  const tls = makeTlsCertificates({
    identity: rsaIdentity,
    link: keys.tlsKey.publicKey,
    now,
    linkLifetime: LINK_CERT_LIFETIME_MILLIS,
    random: random.subarray(0, tlsCertificateRandomBytes),
  });
  const authenticationKey = Ed25519KeyPair.fromSeed(random.subarray(tlsCertificateRandomBytes));
  const shared: ReadonlyArray<CellCert> = [
    { type: CertType.RsaIdentity, body: tls.identity },
    { type: CertType.IdentityVerifiesSigning, body: keys.signingKeyCert },
    {
      type: CertType.RsaIdentityVerifiesIdentity,
      body: signRsaCrossCertificate(rsaIdentity, ed25519Id, keys.signingKeyExpiresAt),
    },
  ];
  const link = signEd25519Certificate(
    {
      certType: CertType.SigningVerifiesLink,
      keyType: CertifiedKeyType.X509Sha256,
      certifiedKey: certificateDigest(tls.link),
      expiresAt,
    },
    signingKey,
  );
  const authentication = signEd25519Certificate(
    { certType: CertType.SigningVerifiesAuthentication, certifiedKey: authenticationKey.publicKey, expiresAt },
    signingKey,
  );
  return {
    peer: { rsaId: rsaIdentityDigest(rsaIdentity.publicKey), ed25519Id },
    rsaId256: rsaIdentityDigest256(rsaIdentity.publicKey),
    responderCerts: [...shared, { type: CertType.SigningVerifiesLink, body: link }],
    initiatorCerts: [...shared, { type: CertType.SigningVerifiesAuthentication, body: authentication }],
    authenticationKey,
    tls: {
      keyPem: keys.tlsKey.privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
      certificatePem: certificatePem(tls.link),
    },
    expiresAt,
  };
};
