import { createCipheriv, createHash } from "node:crypto";

/** A stream of bytes that is the same for the same name. */
export const bytesOf = (name: string): ((length: number) => Buffer) => {
  const digest = createHash("sha256").update(`allium memory network ${name}`).digest();
  const stream = createCipheriv("aes-128-ctr", digest.subarray(0, 16), digest.subarray(16));
  return (length) => stream.update(Buffer.alloc(length));
};
