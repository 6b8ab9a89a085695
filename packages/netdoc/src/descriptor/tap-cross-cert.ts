import { constants, publicDecrypt } from "node:crypto";
import { equalBytes, type RsaKeyPair, type RsaPublicKey, rsaSignUnprefixed } from "@allium/crypto";

/**
 * The signature by which a TAP onion key vouches for a relay's two identities (dir-spec 2.1.1, `onion-key-crosscert`).
 *
 * @param rsaIdentity SHA-1 of the RSA identity, 20 bytes
 * @param ed25519Identity the Ed25519 identity, 32 bytes
 */
export const signTapCrossCertificate = (
  onionKey: RsaKeyPair,
  rsaIdentity: Uint8Array,
  ed25519Identity: Uint8Array,
): Buffer => rsaSignUnprefixed(onionKey, Buffer.concat([rsaIdentity, ed25519Identity]));

/** Whether a signature is by a TAP onion key on two identities. It may be on more than these (dir-spec 2.1.1). */
export const tapKeyVouches = (
  onionKey: RsaPublicKey,
  rsaIdentity: Uint8Array,
  ed25519Identity: Uint8Array,
  signature: Buffer,
): boolean => {
  const expected = Buffer.concat([rsaIdentity, ed25519Identity]);
  try {
    const signed = publicDecrypt({ key: onionKey.key, padding: constants.RSA_PKCS1_PADDING }, signature);
    return equalBytes(signed.subarray(0, expected.length), expected);
  } catch {
    return false;
  }
};
