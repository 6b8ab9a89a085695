import type { CellCert } from "@allium/cell";
import {
  CertifiedKeyType,
  CertType,
  certificateDigest,
  Ed25519KeyPair,
  generateLinkKey,
  signEd25519Certificate,
  signRsaCrossCertificate,
  signX509,
} from "@allium/crypto";
import { type HostileIdentity, randomBytes } from "./identity.ts";

/** A list of certificates, as it should be and as it is sent. */
export type CertsChange = (
  certs: ReadonlyArray<CellCert>,
  identity: HostileIdentity,
) => ReadonlyArray<CellCert> | Promise<ReadonlyArray<CellCert>>;

const DAY = 24 * 3_600_000;

/** Longer ago than what anybody grants to wrong clocks. */
const longAgo = (): number => Date.now() - 60 * DAY;
const later = (): number => Date.now() + 30 * DAY;

const replace = (certs: ReadonlyArray<CellCert>, type: number, body: Buffer): ReadonlyArray<CellCert> =>
  certs.map((cert) => (cert.type === type ? { type, body } : cert));

const bodyOf = (certs: ReadonlyArray<CellCert>, type: number): Buffer =>
  certs.find((cert) => cert.type === type)?.body ?? Buffer.alloc(0);

/** Leaves a certificate out. */
export const without =
  (type: number): CertsChange =>
  (certs) =>
    certs.filter((cert) => cert.type !== type);

/** Flips a bit of a certificate's last byte: of its signature. */
export const badlySigned =
  (type: number): CertsChange =>
  (certs) => {
    const body = Buffer.from(bodyOf(certs, type));
    body[body.length - 1] = (body[body.length - 1] ?? 0) ^ 1;
    return replace(certs, type, body);
  };

/** Adds a byte to a certificate. */
export const withByteMore =
  (type: number): CertsChange =>
  (certs) =>
    replace(certs, type, Buffer.concat([bodyOf(certs, type), Buffer.of(0)]));

/** Cuts the last byte of a certificate off. */
export const withByteLess =
  (type: number): CertsChange =>
  (certs) =>
    replace(certs, type, bodyOf(certs, type).subarray(0, -1));

/** Puts any bytes where a certificate should be. */
export const noise =
  (type: number): CertsChange =>
  (certs) =>
    replace(certs, type, randomBytes(200));

/** The same certificate twice. */
export const twice =
  (type: number): CertsChange =>
  (certs) => [...certs, { type, body: bodyOf(certs, type) }];

/** One more certificate, of a type that nobody knows. */
export const withUnknown: CertsChange = (certs) => [...certs, { type: 99, body: randomBytes(100) }];

/** The signing key's certificate, with something about it that is not as it should be. */
export const signingCertificate =
  (
    change: Partial<{
      readonly certType: CertType;
      readonly keyType: CertifiedKeyType;
      readonly expiresAt: number;
      readonly includeSigningKey: boolean;
      readonly certifiedKey: Buffer;
    }>,
  ): CertsChange =>
  (certs, { master, signing }) =>
    replace(
      certs,
      CertType.IdentityVerifiesSigning,
      signEd25519Certificate(
        {
          certType: CertType.IdentityVerifiesSigning,
          certifiedKey: signing.publicKey,
          expiresAt: later(),
          includeSigningKey: true,
          ...change,
        },
        master,
      ),
    );

/** The signing key's certificate that has ended. */
export const expiredSigning: CertsChange = (certs, identity) =>
  signingCertificate({ expiresAt: longAgo() })(certs, identity);

/** The signing key's certificate, certifying another key than the one that signs. */
export const otherSigningKey: CertsChange = (certs, identity) =>
  signingCertificate({ certifiedKey: Ed25519KeyPair.fromSeed(randomBytes(32)).publicKey })(certs, identity);

/** The authentication key's certificate (type 6), with something about it that is not as it should be. */
const authentication = (
  certs: ReadonlyArray<CellCert>,
  identity: HostileIdentity,
  expiresAt: number,
  certType: CertType = CertType.SigningVerifiesAuthentication,
  signer = identity.signing,
): ReadonlyArray<CellCert> =>
  replace(
    certs,
    CertType.SigningVerifiesAuthentication,
    signEd25519Certificate({ certType, certifiedKey: identity.link.authenticationKey.publicKey, expiresAt }, signer),
  );

/** The authentication key's certificate that has ended. */
export const expiredAuthentication: CertsChange = (certs, identity) => authentication(certs, identity, longAgo());

/** The authentication key's certificate, which says inside that it is a link certificate. */
export const mistypedAuthentication: CertsChange = (certs, identity) =>
  authentication(certs, identity, later(), CertType.SigningVerifiesLink);

/** The authentication key's certificate, signed by the identity instead of the signing key. */
export const authenticationByIdentity: CertsChange = (certs, identity) =>
  authentication(certs, identity, later(), CertType.SigningVerifiesAuthentication, identity.master);

const link = (
  certs: ReadonlyArray<CellCert>,
  { signing }: HostileIdentity,
  certifiedKey: Buffer,
  expiresAt: number,
): ReadonlyArray<CellCert> =>
  replace(
    certs,
    CertType.SigningVerifiesLink,
    signEd25519Certificate(
      { certType: CertType.SigningVerifiesLink, keyType: CertifiedKeyType.X509Sha256, certifiedKey, expiresAt },
      signing,
    ),
  );

const tlsDigest = ({ link: { tls } }: HostileIdentity): Buffer =>
  certificateDigest(
    Buffer.from(
      tls.certificatePem
        .split("\n")
        .filter((line) => !line.startsWith("-"))
        .join(""),
      "base64",
    ),
  );

/** The link certificate (type 5) that has ended. */
export const expiredLink: CertsChange = (certs, identity) => link(certs, identity, tlsDigest(identity), longAgo());

/** The link certificate of another TLS certificate. */
export const otherLink: CertsChange = (certs, identity) => link(certs, identity, randomBytes(32), later());

/** The RSA identity's word for the Ed25519 identity (type 7), ended or for somebody else. */
export const crossCertificate =
  (change: { readonly expired?: boolean; readonly otherIdentity?: boolean }): CertsChange =>
  (certs, { rsa, master }) =>
    replace(
      certs,
      CertType.RsaIdentityVerifiesIdentity,
      signRsaCrossCertificate(
        rsa,
        change.otherIdentity === true ? randomBytes(32) : master.publicKey,
        change.expired === true ? longAgo() : later(),
      ),
    );

const rsaIdentity = (
  certs: ReadonlyArray<CellCert>,
  { rsa }: HostileIdentity,
  key = rsa,
  times = { notBefore: Date.now() - DAY, notAfter: later() },
): ReadonlyArray<CellCert> =>
  replace(
    certs,
    CertType.RsaIdentity,
    signX509(
      { publicKey: key.publicKey, subject: "www.a.net", issuer: "www.a.net", serial: randomBytes(8), ...times },
      key,
    ),
  );

/** The RSA identity's certificate that has ended. */
export const expiredRsa: CertsChange = (certs, identity) =>
  rsaIdentity(certs, identity, identity.rsa, { notBefore: longAgo() - DAY, notAfter: longAgo() });

/** The RSA identity's certificate that begins in half a year. */
export const futureRsa: CertsChange = (certs, identity) =>
  rsaIdentity(certs, identity, identity.rsa, { notBefore: later() + 150 * DAY, notAfter: later() + 300 * DAY });

/** An RSA identity of 2048 bits. */
export const longRsa: CertsChange = async (certs, identity) => rsaIdentity(certs, identity, await generateLinkKey());
