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

const nameOf = (path: KeyPath): string => JSON.stringify(path.map(String));

/** All paths of a document, those of its tables and arrays too. */
function* pathsOf(value: unknown, path: KeyPath = []): Generator<KeyPath> {
  if (typeof value !== "object" || value === null) return;
  for (const [key, inside] of Object.entries(value)) {
    const own = [...path, Array.isArray(value) ? Number(key) : key];
    yield own;
    yield* pathsOf(inside, own);
  }
}

const isElement = (path: KeyPath): boolean => typeof path.at(-1) === "number";

/**
 * On which lines the keys of a document stand.
 *
 * The parser tells no positions, so it is asked: a key stands where the beginning of the document that has it begins to have
 * it. This is work in the square of the lines, done for a mistake only, once for all mistakes and no further than they are. So
 * there is no second reader of TOML that could disagree with the first.
 */
export class KeyLines {
  readonly #lines: ReadonlyArray<string>;
  readonly #known = new Map<string, number>();
  /** Where the statement that is being read began, from zero. */
  #start = 0;
  /** Lines that were looked at. */
  #looked = 0;

  /** @param text a document that can be parsed */
  constructor(text: string) {
    this.#lines = text.split("\n");
  }

  /**
   * The line, from one, on which a key begins; `undefined` if the key is not in the document. For an element of an array of
   * several lines it is the line on which the element ends.
   */
  lineOf(path: KeyPath): number | undefined {
    const name = nameOf(path);
    while (!this.#known.has(name) && this.#looked < this.#lines.length) this.#lookAtNext();
    return this.#known.get(name);
  }

  #lookAtNext(): void {
    this.#looked++;
    const before = this.#lines.slice(0, this.#looked).join("\n");
    const whole = parsed(before);
    // Inside of an array of several lines, those of its elements that have ended.
    for (const path of pathsOf(whole ?? parsed(`${before}\n]`))) {
      if (whole === undefined && !isElement(path)) continue;
      const name = nameOf(path);
      if (!this.#known.has(name)) this.#known.set(name, isElement(path) ? this.#looked : this.#start + 1);
    }
    if (whole !== undefined) this.#start = this.#looked;
  }
}
