import { hash, type KeyObject, sign, X509Certificate } from "node:crypto";
import { AsnConvert, AsnIntegerBigIntConverter } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  Certificate,
  Name,
  RelativeDistinguishedName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from "@peculiar/asn1-x509";
import { CertificateError, type CertificateProblem } from "./errors.ts";
import { type RsaKeyPair, type RsaPublicKey, rsaIdentityBits, rsaPublicKeyFromKeyObject } from "./rsa.ts";

const millisPerDay = 86_400_000;
/** How long after its end, and before its beginning, a certificate still passes: what `tor` grants to wrong clocks. */
const pastSlop = 2 * millisPerDay;
const futureSlop = 30 * millisPerDay;

const commonNameType = "2.5.4.3";
/** A NULL stands where SHA-256 with RSA has no parameters (RFC 4055, 5). */
const sha256WithRsa = new AlgorithmIdentifier({ algorithm: "1.2.840.113549.1.1.11", parameters: null });

const commonName = (common: string): Name =>
  new Name([
    new RelativeDistinguishedName([
      new AttributeTypeAndValue({ type: commonNameType, value: new AttributeValue({ utf8String: common }) }),
    ]),
  ]);

/** The content of a DER INTEGER: the shortest, and not negative. */
const integerContent = (unsigned: Uint8Array): ArrayBuffer =>
  Uint8Array.from(
    AsnIntegerBigIntConverter.toASN(BigInt(`0x0${Buffer.from(unsigned).toString("hex")}`)).valueBlock.valueHexView,
  ).buffer;

/** What {@link signX509} writes. */
export interface X509Content {
  /** The certified key. */
  readonly publicKey: RsaPublicKey;
  /** Common name of the owner. */
  readonly subject: string;
  /** Common name of the signer. */
  readonly issuer: string;
  /** Serial number, unsigned big-endian; `tor` draws 8 bytes. */
  readonly serial: Uint8Array;
  /** Beginning of its validity, in milliseconds since the epoch; whole seconds are kept. */
  readonly notBefore: number;
  /** End of its validity, likewise. */
  readonly notAfter: number;
}

/**
 * Writes and signs an X.509 certificate of the form that `tor` makes: version 3, one common name each, no extensions,
 * SHA-256 with RSA. DER bytes.
 */
export const signX509 = (content: X509Content, signer: RsaKeyPair): Buffer => {
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: integerContent(content.serial),
    signature: sha256WithRsa,
    issuer: commonName(content.issuer),
    validity: new Validity({ notBefore: new Date(content.notBefore), notAfter: new Date(content.notAfter) }),
    subject: commonName(content.subject),
    subjectPublicKeyInfo: AsnConvert.parse(
      content.publicKey.key.export({ format: "der", type: "spki" }),
      SubjectPublicKeyInfo,
    ),
  });
  const signature = sign("sha256", Buffer.from(AsnConvert.serialize(tbsCertificate)), signer.privateKey);
  return Buffer.from(
    AsnConvert.serialize(
      new Certificate({
        tbsCertificate,
        signatureAlgorithm: sha256WithRsa,
        signatureValue: Uint8Array.from(signature).buffer,
      }),
    ),
  );
};

/** What both certificates of a relay's TLS identity need; see {@link makeTlsCertificates}. */
export interface TlsCertificateRequest {
  /** The RSA identity key, which signs both. */
  readonly identity: RsaKeyPair;
  /** The key of the TLS server. */
  readonly link: RsaPublicKey;
  /** Now, in milliseconds since the epoch. */
  readonly now: number;
  /** How long the link certificate lives, in milliseconds. */
  readonly linkLifetime: number;
  /** At least {@link tlsCertificateRandomBytes} random bytes: serials, names. */
  readonly random: Uint8Array;
}

/** The certificates of a relay's TLS identity, DER. */
export interface TlsCertificates {
  /** The certificate of the TLS server. Its SHA-256 is what the type 5 certificate of the CERTS cell certifies. */
  readonly link: Buffer;
  /** The RSA identity, signed by itself: type 2 of the CERTS cell. */
  readonly identity: Buffer;
}

/** Random bytes that {@link makeTlsCertificates} uses: two serials of 8 bytes, two names of 10. */
export const tlsCertificateRandomBytes = 36;

/** How long an identity certificate lives, in milliseconds: a year, as `tor`'s. */
export const identityCertificateLifetime = 365 * millisPerDay;

const base32 = "abcdefghijklmnopqrstuvwxyz234567";
const hostName = (random: Uint8Array, suffix: string): string =>
  `www.${Array.from(random, (byte) => base32[byte & 31]).join("")}.${suffix}`;

/**
 * Makes the TLS link certificate and the identity certificate of a relay (tor-spec 2, 4.2). Names look like hosts' and say
 * nothing; both begin at the start of the day, so that they do not show when the relay came up.
 */
export const makeTlsCertificates = (request: TlsCertificateRequest): TlsCertificates => {
  const { identity, link, now, linkLifetime, random } = request;
  const notBefore = now - (now % millisPerDay);
  const issuer = hostName(random.subarray(16, 26), "com");
  return {
    link: signX509(
      {
        publicKey: link,
        subject: hostName(random.subarray(26, 36), "net"),
        issuer,
        serial: random.subarray(0, 8),
        notBefore,
        // Part of the first day is over already: a day more keeps the lifetime that was asked for.
        notAfter: notBefore + millisPerDay + linkLifetime,
      },
      identity,
    ),
    identity: signX509(
      {
        publicKey: identity.publicKey,
        subject: issuer,
        issuer,
        serial: random.subarray(8, 16),
        notBefore,
        notAfter: notBefore + identityCertificateLifetime,
      },
      identity,
    ),
  };
};

/** DER bytes as a PEM certificate, as the platform's TLS wants them. */
export const certificatePem = (certificate: Uint8Array): string => {
  const lines =
    Buffer.from(certificate)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
};

/** SHA-256 of a DER certificate, 32 bytes: what a type 5 certificate certifies. */
export const certificateDigest = (certificate: Uint8Array): Buffer => hash("sha256", certificate, "buffer");

/** A peer's X.509 certificate as parsed: nothing of it may be believed before it is verified. */
export interface ParsedX509 {
  /** The DER bytes. */
  readonly encoded: Buffer;
  /** The certified key, of whatever kind. */
  readonly publicKey: KeyObject;
  /** Beginning of its validity, in milliseconds since the epoch. */
  readonly notBefore: number;
  /** End of its validity, likewise. */
  readonly notAfter: number;
  /** Whether it is signed by that key. */
  signedBy(key: KeyObject): boolean;
}

const fail = (problem: CertificateProblem, field: string) => new CertificateError("x509", problem, field);

/**
 * Parses a DER encoded X.509 certificate, as in CertTypes 1 to 3 of a CERTS cell.
 *
 * @throws CertificateError if the bytes are not exactly one certificate in DER, or its key or dates make no sense
 */
export const parseX509 = (bytes: Uint8Array): ParsedX509 => {
  const encoded = Buffer.from(bytes);
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(encoded);
  } catch {
    throw fail("not-der", "Certificate");
  }
  // The platform also reads PEM, looser encodings and bytes behind the end, and gives back what it understood.
  if (!certificate.raw.equals(encoded)) throw fail("not-der", "Certificate");
  let publicKey: KeyObject;
  try {
    ({ publicKey } = certificate);
  } catch {
    throw fail("wrong-key", "SubjectPublicKeyInfo");
  }
  // Not `validFromDate` and `validToDate`: of a date that is none the platform now and then makes one out of what its memory held before.
  const notBefore = Date.parse(certificate.validFrom);
  const notAfter = Date.parse(certificate.validTo);
  if (Number.isNaN(notBefore) || Number.isNaN(notAfter)) throw fail("not-der", "Validity");
  return {
    encoded,
    publicKey,
    notBefore,
    notAfter,
    signedBy: (key) => {
      try {
        return certificate.verify(key);
      } catch {
        // Algorithm and key do not fit together.
        return false;
      }
    },
  };
};

/**
 * Checks an RSA identity certificate (CertType 2, tor-spec 4.2): a 1024-bit RSA key, signed by itself, in its time (give or
 * take what `tor` allows for wrong clocks).
 *
 * @param now milliseconds since the epoch
 * @returns the RSA identity key
 * @throws CertificateError if it must not be believed
 */
export const verifyRsaIdentityCertificate = (certificate: ParsedX509, now: number): RsaPublicKey => {
  let key: RsaPublicKey;
  try {
    key = rsaPublicKeyFromKeyObject(certificate.publicKey);
  } catch {
    throw fail("wrong-key", "SubjectPublicKeyInfo");
  }
  if (key.bits !== rsaIdentityBits) throw fail("wrong-key", "SubjectPublicKeyInfo");
  if (now > certificate.notAfter + pastSlop) throw fail("expired", "notAfter");
  if (now < certificate.notBefore - futureSlop) throw fail("not-yet-valid", "notBefore");
  if (!certificate.signedBy(key.key)) throw fail("bad-signature", "signatureValue");
  return key;
};
