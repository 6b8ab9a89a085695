import { timingSafeEqual } from "node:crypto";

/**
 * Whether two byte strings are the same, in a time that depends on their lengths alone. Lengths are never secret here.
 */
export const equalBytes = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && timingSafeEqual(left, right);

/** The bytes as a Buffer on the same memory: a view, never a copy. */
export const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
