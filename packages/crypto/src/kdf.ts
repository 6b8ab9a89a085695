import { createHash, hkdfSync } from "node:crypto";

/**
 * KDF-TOR (tor-spec 5.2.1): SHA-1 of the secret with a counter, as long as needed. For CREATE_FAST; its first 20 bytes are KH.
 *
 * @param length bytes wanted, at most 5120
 */
export const kdfTor = (secret: Uint8Array, length: number): Buffer => {
  const blocks: Array<Buffer> = [];
  for (let counter = 0; counter * 20 < length; counter++)
    blocks.push(createHash("sha1").update(secret).update(Uint8Array.of(counter)).digest());
  return Buffer.concat(blocks, length);
};

const extractSalt = Buffer.from("ntor-curve25519-sha256-1:key_extract", "ascii");
const expandInfo = Buffer.from("ntor-curve25519-sha256-1:key_expand", "ascii");

/**
 * KDF-RFC5869 as ntor uses it (tor-spec 5.2.2): HKDF with SHA-256.
 *
 * @param length bytes wanted, at most 8160
 */
export const kdfNtor = (secret: Uint8Array, length: number): Buffer =>
  Buffer.from(hkdfSync("sha256", secret, extractSalt, expandInfo, length));
