/**
 * Our own format for keys, where `tor`'s is not simple. A text file:
 *
 * ```
 * allium-key 1 ed25519-signing
 * seed GmPRQ1Xm3K4b8k5rQJq4yEdXHn9hLQHCQK1xUe6GQ2k
 * certificate AQQABvJ5...
 * ```
 *
 * The first line tells the version and the kind of key; each further line is a name, a space and a value. Binary values are
 * base64 without padding, times are RFC 3339 in UTC with whole seconds. Every field is there exactly once.
 */
import { decodeBase64, encodeBase64 } from "@allium/netdoc";
import { KeyFileError, type KeyFileProblem } from "./errors.ts";

/** The kinds of key file. */
export type KeyFileKind = "ed25519-identity" | "ed25519-signing" | "ntor-onion";

const magic = "allium-key";
const version = "1";

/** Values of a key file by name, each with the line it was read from. */
class KeyFields {
  readonly #path: string;
  readonly #fields: ReadonlyMap<string, { readonly value: string; readonly line: number }>;

  constructor(path: string, fields: ReadonlyMap<string, { readonly value: string; readonly line: number }>) {
    this.#path = path;
    this.#fields = fields;
  }

  #field(name: string): { readonly value: string; readonly line: number } {
    const field = this.#fields.get(name);
    if (field === undefined)
      throw new KeyFileError({
        path: this.#path,
        problem: "missing-field",
        line: undefined,
        detail: `there is no line "${name}"`,
      });
    return field;
  }

  #bad(line: number, detail: string): KeyFileError {
    return new KeyFileError({ path: this.#path, problem: "bad-value", line, detail });
  }

  has(name: string): boolean {
    return this.#fields.has(name);
  }

  /** The bytes of a base64 value; of exactly `length` if that is said. */
  bytes(name: string, length?: number): Buffer {
    const { value, line } = this.#field(name);
    const bytes = decodeBase64(value);
    if (bytes === undefined) throw this.#bad(line, `"${name}" is not base64`);
    if (length !== undefined && bytes.length !== length)
      throw this.#bad(line, `"${name}" has ${bytes.length} bytes instead of ${length}`);
    return bytes;
  }

  /** A moment, in milliseconds since the epoch. */
  time(name: string): number {
    const { value, line } = this.#field(name);
    const moment = Date.parse(value);
    if (Number.isNaN(moment) || formatMoment(moment) !== value)
      throw this.#bad(line, `"${name}" is not a time like 2026-01-31T12:00:00Z`);
    return moment;
  }
}

const formatMoment = (moment: number): string => `${new Date(moment).toISOString().slice(0, 19)}Z`;

export type { KeyFields };

/**
 * Reads a key file.
 *
 * @param path for errors
 * @param names the fields that this kind may have
 * @throws KeyFileError if it is not exactly such a file
 */
export const parseKeyFile = (
  path: string,
  text: string,
  kind: KeyFileKind,
  names: ReadonlyArray<string>,
): KeyFields => {
  const fail = (problem: KeyFileProblem, line: number, detail: string) =>
    new KeyFileError({ path, problem, line, detail });
  const [head = "", ...lines] = text.split("\n");
  const words = head.split(" ");
  if (words[0] !== magic || words.length !== 3) throw fail("not-a-key-file", 1, "this is not a key file of Allium");
  if (words[1] !== version || words[2] !== kind)
    throw fail("wrong-kind", 1, `expected version ${version} of the kind ${kind}`);
  const fields = new Map<string, { readonly value: string; readonly line: number }>();
  for (const [index, line] of lines.entries()) {
    const number = index + 2;
    if (line === "" && index === lines.length - 1) break;
    const space = line.indexOf(" ");
    const name = line.slice(0, Math.max(space, 0));
    if (!names.includes(name)) throw fail("bad-line", number, `expected a name (${names.join(", ")}) and a value`);
    if (fields.has(name)) throw fail("bad-line", number, `"${name}" is there twice`);
    fields.set(name, { value: line.slice(space + 1), line: number });
  }
  return new KeyFields(path, fields);
};

/** Writes a key file: bytes in base64, numbers as times. What it returns is secret. */
export const formatKeyFile = (
  kind: KeyFileKind,
  fields: ReadonlyArray<readonly [name: string, value: Uint8Array | number]>,
): string =>
  [
    `${magic} ${version} ${kind}`,
    ...fields.map(
      ([name, value]) => `${name} ${typeof value === "number" ? formatMoment(value) : encodeBase64(value)}`,
    ),
    "",
  ].join("\n");
