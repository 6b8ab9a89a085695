import { parse, TomlError } from "smol-toml";

/** A place in a TOML document: names of tables and keys, and indices of arrays. */
export type KeyPath = ReadonlyArray<PropertyKey>;

const parsed = (text: string): unknown => {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof TomlError) return undefined;
    throw error;
  }
};

const holds = (document: unknown, path: KeyPath): boolean => {
  let value = document;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Readonly<Record<PropertyKey, unknown>>)[key];
  }
  return true;
};

/**
 * The line, from one, on which a key of a document begins; `undefined` if the key is not in it. For an element of an array of
 * several lines it is the line on which the element ends.
 *
 * The parser tells no positions, so it is asked: the key stands where the beginning of the document that has it begins to
 * have it. This is work in the square of the lines, done for a mistake only, and there is no second reader of TOML that
 * could disagree with the first.
 *
 * @param text a document that can be parsed
 */
export const lineOf = (text: string, path: KeyPath): number | undefined => {
  const lines = text.split("\n");
  // Where the statement that is being read began, from zero.
  let start = 0;
  for (let end = 1; end <= lines.length; end++) {
    const before = lines.slice(0, end).join("\n");
    const whole = parsed(before);
    if (whole !== undefined) {
      if (holds(whole, path)) return typeof path.at(-1) === "number" ? end : start + 1;
      start = end;
    } else if (typeof path.at(-1) === "number" && holds(parsed(`${before}\n]`), path)) {
      return end;
    }
  }
  return undefined;
};
