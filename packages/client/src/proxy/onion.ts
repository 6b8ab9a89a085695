import { createHash } from "node:crypto";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const BITS_PER_CHARACTER = 5;
const KEY_BYTES = 32;
const CHECKSUM_BYTES = 2;
const VERSION = 3;
/** Characters of 35 bytes in base32. */
const ADDRESS_SHAPE = /^[a-z2-7]{56}$/;

/** The bytes of a text of {@link ADDRESS_SHAPE} (RFC 4648, section 6, in lower case). */
const fromBase32 = (text: string): Buffer => {
  const bytes: Array<number> = [];
  let bits = 0;
  let held = 0;
  for (const character of text) {
    bits = ((bits << BITS_PER_CHARACTER) | ALPHABET.indexOf(character)) & 0xfff;
    held += BITS_PER_CHARACTER;
    if (held < 8) continue;
    held -= 8;
    bytes.push((bits >> held) & 0xff);
  }
  return Buffer.from(bytes);
};

/**
 * Whether an onion service can have this name, in lower case and with `.onion`, whatever stands before its address. Its version and its
 * checksum are looked at, and not whether its key is a point of the curve. rend-spec-v3 section 6, address-spec 3.
 */
export const isOnionAddress = (name: string): boolean => {
  const [label = "", tld] = name.split(".").slice(-2);
  if (tld !== "onion" || !ADDRESS_SHAPE.test(label)) return false;
  const bytes = fromBase32(label);
  const key = bytes.subarray(0, KEY_BYTES);
  const checksum = bytes.subarray(KEY_BYTES, KEY_BYTES + CHECKSUM_BYTES);
  if (bytes[KEY_BYTES + CHECKSUM_BYTES] !== VERSION) return false;
  const expected = createHash("sha3-256").update(".onion checksum").update(key).update(Buffer.of(VERSION)).digest();
  return expected.subarray(0, CHECKSUM_BYTES).equals(checksum);
};
