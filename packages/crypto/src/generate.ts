/**
 * The one module of this package that draws on the platform's randomness. An RSA key cannot be made from a seed in any way
 * that the platform offers; every other key comes from bytes that the caller drew.
 */
import { generateKeyPair } from "node:crypto";
import { type RsaKeyPair, rsaIdentityBits, rsaKeyPairFromKeyObject } from "./rsa.ts";

const generateRsa = (modulusLength: number): Promise<RsaKeyPair> =>
  new Promise((resolve, reject) => {
    generateKeyPair("rsa", { modulusLength }, (error, _publicKey, privateKey) => {
      if (error === null) resolve(rsaKeyPairFromKeyObject(privateKey));
      else reject(error);
    });
  });

/** A new RSA identity key: 1024 bits, exponent 65537 (tor-spec 1.1). Made off the main thread. */
export const generateRsaIdentity = (): Promise<RsaKeyPair> => generateRsa(rsaIdentityBits);

/** Bits of a TLS link key: the size that `tor` uses. */
export const rsaLinkKeyBits = 2048;

/**
 * A new RSA key for TLS connections, 2048 bits (tor-spec 1.1, "link key"). Made off the main thread.
 *
 * RSA, although an elliptic curve key signs faster: `tor` asks every certificate that it sees for an RSA key, and warns
 * in its log about the OpenSSL error that another kind leaves behind.
 */
export const generateLinkKey = (): Promise<RsaKeyPair> => generateRsa(rsaLinkKeyBits);
