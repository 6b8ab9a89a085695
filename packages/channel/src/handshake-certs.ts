import type { Certs } from "@allium/cell";
import {
  CertifiedKeyType,
  CertType,
  equalBytes,
  parseEd25519Certificate,
  parseRsaCrossCertificate,
  parseX509,
  rsaIdentityDigest,
  rsaIdentityDigest256,
  verifyEd25519Certificate,
  verifyRsaCrossCertificate,
  verifyRsaIdentityCertificate,
} from "@allium/crypto";
import { LinkHandshakeError } from "./errors.ts";
import type { PeerIdentity } from "./link-identity.ts";

/** What a CERTS cell proves once all of its certificates are checked. */
export interface VerifiedCerts {
  readonly identity: PeerIdentity;
  /** SHA-256 of the RSA identity key. */
  readonly rsaId256: Buffer;
  /** What the signing key certified: the digest of the TLS certificate (responder) or the authentication key (initiator). */
  readonly subjectKey: Buffer;
}

const certOf = (certs: Certs, type: CertType): Buffer => {
  const found = certs.certs.find((cert) => cert.type === type);
  if (found !== undefined) return found.body;
  throw new LinkHandshakeError({
    problem: "missingCertificate",
    where: "CERTS",
    detail: `no certificate of type ${type}`,
  });
};

/** The part that both roles prove: identity to signing key, RSA identity to Ed25519 identity, and one more by `last`. */
const verify = (certs: Certs, last: CertType, keyType: CertifiedKeyType, now: number): VerifiedCerts => {
  const rsa = verifyRsaIdentityCertificate(parseX509(certOf(certs, CertType.RsaIdentity)), now);
  const signing = parseEd25519Certificate(certOf(certs, CertType.IdentityVerifiesSigning));
  const ed25519Id = verifyEd25519Certificate(signing, { certType: CertType.IdentityVerifiesSigning, now });
  const subject = parseEd25519Certificate(certOf(certs, last));
  verifyEd25519Certificate(subject, { certType: last, keyType, signedBy: signing.certifiedKey, now });
  verifyRsaCrossCertificate(parseRsaCrossCertificate(certOf(certs, CertType.RsaIdentityVerifiesIdentity)), {
    rsa,
    identity: ed25519Id,
    now,
  });
  return {
    identity: { rsaId: rsaIdentityDigest(rsa), ed25519Id: Buffer.from(ed25519Id) },
    rsaId256: rsaIdentityDigest256(rsa),
    subjectKey: subject.certifiedKey,
  };
};

/**
 * Checks the responder's certificates (tor-spec, "CERTS cells"): types 2, 4, 5 and 7, and that the TLS certificate is the
 * one that type 5 certifies.
 *
 * @param tlsDigest SHA-256 of the certificate that the TLS session was made with
 * @throws LinkHandshakeError `missingCertificate`, `badCertificate`; CertificateError
 */
export const verifyResponderCerts = (certs: Certs, tlsDigest: Buffer, now: number): VerifiedCerts => {
  const verified = verify(certs, CertType.SigningVerifiesLink, CertifiedKeyType.X509Sha256, now);
  if (!equalBytes(verified.subjectKey, tlsDigest)) {
    throw new LinkHandshakeError({
      problem: "badCertificate",
      where: "CERTS",
      detail: "the link certificate is not that of the TLS session",
    });
  }
  return verified;
};

/**
 * Checks the initiator's certificates: types 2, 4, 6 and 7. They are a claim until AUTHENTICATE proves it.
 *
 * @throws LinkHandshakeError `missingCertificate`; CertificateError
 */
export const verifyInitiatorCerts = (certs: Certs, now: number): VerifiedCerts =>
  verify(certs, CertType.SigningVerifiesAuthentication, CertifiedKeyType.Ed25519, now);
