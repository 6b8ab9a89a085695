import { timingSafeEqual } from "node:crypto";

/**
 * Whether two byte strings are the same, in a time that depends on their lengths alone. Lengths are never secret here.
 */
export const equalBytes = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && timingSafeEqual(left, right);

/** The bytes as a Buffer on the same memory: a view, never a copy. */
export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Longer than what any handshake hashes. */
const scratch = Buffer.allocUnsafeSlow(2_048);

/** Does something with byte strings one behind the other, in memory that is used again, and wiped afterwards. */
export const joined = <A>(parts: ReadonlyArray<Uint8Array>, use: (bytes: Buffer) => A): A => {
  let length = 0;
  for (const part of parts) length += part.length;
  if (length > scratch.length) return use(Buffer.concat(parts, length));
  let at = 0;
  for (const part of parts) {
    scratch.set(part, at);
    at += part.length;
  }
  try {
    return use(scratch.subarray(0, length));
  } finally {
    scratch.fill(0, 0, length);
  }
};
