import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  hash,
  type KeyObject,
  privateEncrypt,
  publicDecrypt,
} from "node:crypto";
import { asBuffer, equalBytes } from "./bytes.ts";
import { KeyError } from "./errors.ts";

/** Bits of a relay's RSA identity key (tor-spec 0.3). */
export const rsaIdentityBits = 1024;
const publicExponent = 65537n;
/** Longer keys cost the verifier more than any document of the network can need. */
const maxBits = 4096;

/** An RSA public key: an identity, an authority's signing key, or a link key. */
export interface RsaPublicKey {
  /** The platform's key. */
  readonly key: KeyObject;
  /** The PKCS#1 DER form (`RSAPublicKey`), which is what Tor hashes and what documents carry. */
  readonly der: Buffer;
  /** Bits of the modulus. */
  readonly bits: number;
}

/** An RSA key pair. */
export interface RsaKeyPair {
  /** The private key. */
  readonly privateKey: KeyObject;
  /** Its public half. */
  readonly publicKey: RsaPublicKey;
}

const describe = (key: KeyObject): RsaPublicKey => {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType !== "rsa" || details?.modulusLength === undefined)
    throw new KeyError("rsa", "bad-encoding");
  if (details.publicExponent !== publicExponent) throw new KeyError("rsa", "bad-exponent");
  if (details.modulusLength < rsaIdentityBits || details.modulusLength > maxBits) throw new KeyError("rsa", "bad-size");
  return { key, der: key.export({ format: "der", type: "pkcs1" }), bits: details.modulusLength };
};

/**
 * The RSA public key of a platform key.
 *
 * @throws KeyError if it is not RSA with exponent 65537 and 1024 to 4096 bits
 */
export const rsaPublicKeyFromKeyObject = (key: KeyObject): RsaPublicKey =>
  describe(key.type === "private" ? createPublicKey(key) : key);

/**
 * The RSA public key of a PKCS#1 DER encoding, as documents carry it between PEM lines.
 *
 * @throws KeyError if the bytes are not exactly one such key, or it is not one we use (see {@link rsaPublicKeyFromKeyObject})
 */
export const rsaPublicKeyFromDer = (der: Uint8Array): RsaPublicKey => {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(der), format: "der", type: "pkcs1" });
  } catch {
    throw new KeyError("rsa", "bad-encoding");
  }
  const described = describe(key);
  // The digest of the encoding is the relay's name, so there must be one encoding only.
  if (!described.der.equals(der)) throw new KeyError("rsa", "bad-encoding");
  return described;
};

/**
 * The RSA key pair of a PEM text, as in `tor`'s `keys/secret_id_key`.
 *
 * @throws KeyError if it is no unencrypted RSA private key, or one we do not use
 */
export const rsaKeyPairFromPem = (pem: string): RsaKeyPair => {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey({ key: pem, format: "pem" });
  } catch {
    throw new KeyError("rsa", "bad-encoding");
  }
  return rsaKeyPairFromKeyObject(privateKey);
};

/**
 * The RSA key pair of a platform private key.
 *
 * @throws KeyError if it is not RSA, or one we do not use
 */
export const rsaKeyPairFromKeyObject = (privateKey: KeyObject): RsaKeyPair => ({
  privateKey,
  publicKey: rsaPublicKeyFromKeyObject(privateKey),
});

/** The key pair as the PEM text of `tor`'s `keys/secret_id_key` (PKCS#1). Secret. */
export const rsaKeyPairToPem = (pair: RsaKeyPair): string =>
  pair.privateKey.export({ format: "pem", type: "pkcs1" }) as string;

/** The public key as PEM text with the header `RSA PUBLIC KEY`, as documents carry it (dir-spec 2.1.1). */
export const rsaPublicKeyToPem = (publicKey: RsaPublicKey): string =>
  publicKey.key.export({ format: "pem", type: "pkcs1" }) as string;

/** A relay's RSA identity: SHA-1 of the PKCS#1 DER form of its key, 20 bytes (tor-spec 0.3). Also called its fingerprint. */
export const rsaIdentityDigest = (publicKey: RsaPublicKey): Buffer => createHash("sha1").update(publicKey.der).digest();

/** SHA-256 of the PKCS#1 DER form, 32 bytes: CID and SID of the AUTHENTICATE cell (tor-spec 4.4). */
export const rsaIdentityDigest256 = (publicKey: RsaPublicKey): Buffer => hash("sha256", publicKey.der, "buffer");

/**
 * A signature by PKCS#1 v1.5 padding without the ASN.1 prefix that names the hash: what Tor's documents and
 * cross-certificates use (tor-spec 0.3). As long as the modulus.
 *
 * @param digest the digest to sign, bare
 */
export const rsaSignUnprefixed = (pair: RsaKeyPair, digest: Uint8Array): Buffer =>
  privateEncrypt({ key: pair.privateKey, padding: constants.RSA_PKCS1_PADDING }, digest);

/** Whether `signature` is an unprefixed signature (see {@link rsaSignUnprefixed}) of exactly `digest`. */
export const rsaVerifyUnprefixed = (publicKey: RsaPublicKey, digest: Uint8Array, signature: Uint8Array): boolean => {
  let signed: Buffer;
  try {
    signed = publicDecrypt({ key: publicKey.key, padding: constants.RSA_PKCS1_PADDING }, asBuffer(signature));
  } catch {
    return false;
  }
  return equalBytes(signed, digest);
};
