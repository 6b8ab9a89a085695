/**
 * The format in which `tor` keeps keys that have no older format: 32 bytes of header, `== TYPE: TAG ==` filled up with zeros,
 * and then the bare bytes of the key.
 */
import { KeyFileError, type KeyFileProblem } from "./errors.ts";

/** What a tagged file holds. */
export type TaggedType = "ed25519v1-secret" | "ed25519v1-public" | "ed25519v1-cert" | "c25519v1";

const headerLength = 32;
const header = (type: TaggedType, tag: string): string => `== ${type}: ${tag} ==`;

/**
 * The bytes of a tagged file after its header.
 *
 * @param path for errors
 * @param tag what the key is for: `type0` for an identity, `type4` for a signing key, `onion`
 * @param length how many bytes there must be, if that is known
 * @throws KeyFileError if it is not exactly such a file
 */
export const readTagged = (path: string, file: Buffer, type: TaggedType, tag: string, length?: number): Buffer => {
  const fail = (problem: KeyFileProblem, detail: string) => new KeyFileError({ path, problem, detail });
  const found = file.toString("latin1", 0, headerLength).replace(/\0+$/, "");
  if (file.length < headerLength || !/^== [a-z0-9-]+: [a-z0-9]+ ==$/.test(found))
    throw fail("not-a-key-file", `it does not begin with "${header(type, tag)}"`);
  if (found !== header(type, tag))
    throw fail("wrong-kind", `it begins with "${found}" instead of "${header(type, tag)}"`);
  const body = file.subarray(headerLength);
  if (length !== undefined && body.length !== length)
    throw fail("bad-length", `it has ${body.length} bytes of key instead of ${length}`);
  return body;
};

/** A tagged file. What it returns is as secret as the body. */
export const writeTagged = (type: TaggedType, tag: string, body: Uint8Array): Buffer => {
  const file = Buffer.alloc(headerLength + body.length);
  file.write(header(type, tag), "latin1");
  file.set(body, headerLength);
  return file;
};
