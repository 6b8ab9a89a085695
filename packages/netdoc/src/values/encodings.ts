/**
 * Base64 and hexadecimal, strictly: the platform's decoders skip what they do not know, and two spellings of one digest
 * must not both pass.
 */
const base64Body = /^[A-Za-z0-9+/]*$/;
const hexBody = /^(?:[0-9A-Fa-f]{2})*$/;
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The bytes of a base64 text, with all of its padding or without any; undefined if it is not exactly that. */
export const decodeBase64 = (text: string): Buffer | undefined => {
  let digits = text.length;
  let padding = 0;
  while (digits > 0 && text[digits - 1] === "=") {
    digits--;
    padding++;
  }
  const over = digits % 4;
  if (over === 1 || (padding !== 0 && (over === 0 || over + padding !== 4))) return undefined;
  const body = padding === 0 ? text : text.slice(0, digits);
  if (!base64Body.test(body)) return undefined;
  // The bits of the last digit that belong to no byte must be zero, or one value would have many spellings.
  if (over !== 0) {
    const unused = over === 2 ? 0x0f : 0x03;
    if ((alphabet.indexOf(body[digits - 1] ?? "") & unused) !== 0) return undefined;
  }
  return Buffer.from(body, "base64");
};

/** The bytes of a base64 text that is broken into lines (dir-spec 1.2: newlines are discarded). */
export const decodeBase64Lines = (text: string): Buffer | undefined => decodeBase64(text.replaceAll("\n", ""));

/** A decoder of base64 texts of exactly `length` bytes. */
export const base64Of =
  (length: number) =>
  (text: string): Buffer | undefined => {
    const bytes = decodeBase64(text);
    return bytes?.length === length ? bytes : undefined;
  };

/** The base64 form without padding, as in most documents. */
export const encodeBase64 = (bytes: Uint8Array): string => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
  return text.replace(/=+$/, "");
};

/** The bytes of a hexadecimal text, in either case; undefined if it is not exactly that. */
export const decodeHex = (text: string): Buffer | undefined =>
  hexBody.test(text) ? Buffer.from(text, "hex") : undefined;

/** A decoder of hexadecimal texts of exactly `length` bytes. */
export const hexOf =
  (length: number) =>
  (text: string): Buffer | undefined =>
    text.length === length * 2 ? decodeHex(text) : undefined;

/** The hexadecimal form in upper case, as Tor writes fingerprints. */
export const encodeHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex").toUpperCase();
