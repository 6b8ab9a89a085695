/** Bytes that are no HTTP, or more of them than we are ready to read. */
export class HttpError extends Error {
  readonly _tag = "HttpError";
  readonly problem: "malformed" | "too-large";
  /** Where in the message the fault lies, in bytes from its start, if it lies in its head. */
  readonly offset: number;

  constructor(problem: "malformed" | "too-large", detail: string, offset = 0) {
    super(detail);
    this.name = "HttpError";
    this.problem = problem;
    this.offset = offset;
  }
}

/** Header fields by their names in lower case. Of two of the same name the first counts. */
export type Headers = ReadonlyMap<string, string>;

/** The start of a message up to its first empty line, and what came after it. */
export interface Head {
  readonly startLine: string;
  readonly headers: Headers;
  /** Where the fields begin that count, by their names, in bytes from the start of the message. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Where fields begin that came again, and do not count. */
  readonly repeated: ReadonlyMap<string, number>;
  /** The first bytes of the body. */
  readonly rest: Buffer;
}

const separator = "\r\n\r\n";
/** Bytes of the CRLF behind a line. */
const LINE_END = 2;

/** Gathers bytes until the head of a message is complete (RFC 1945, sections 4 to 6). */
export class HeadReader {
  readonly #limit: number;
  readonly #fieldLimit: number;
  #bytes: Buffer = Buffer.alloc(0);

  /**
   * @param limit how many bytes the head may have, its empty line included
   * @param fieldLimit how many header fields it may have; any number that fits, if it is not told
   */
  constructor(limit: number, fieldLimit = limit) {
    this.#limit = limit;
    this.#fieldLimit = fieldLimit;
  }

  /** Bytes that are held. */
  get size(): number {
    return this.#bytes.length;
  }

  /**
   * Takes bytes as they came.
   *
   * @returns the head, as soon as it is there. Nothing may be given after that
   * @throws HttpError
   */
  push(bytes: Buffer): Head | undefined {
    const searched = Math.max(0, this.#bytes.length - separator.length + 1);
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    const end = this.#bytes.indexOf(separator, searched, "latin1");
    if ((end < 0 ? this.#bytes.length : end + separator.length) > this.#limit)
      throw new HttpError("too-large", `the head is longer than ${this.#limit} bytes`, this.#limit);
    if (end < 0) return undefined;
    const lines = this.#bytes.toString("latin1", 0, end).split("\r\n");
    return {
      startLine: lines[0] as string,
      ...parseHeaders(lines, this.#fieldLimit),
      rest: this.#bytes.subarray(end + separator.length),
    };
  }
}

const fieldShape = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)$/;

const parseHeaders = (lines: ReadonlyArray<string>, limit: number): Omit<Head, "startLine" | "rest"> => {
  const headers = new Map<string, string>();
  const offsets = new Map<string, number>();
  const repeated = new Map<string, number>();
  let offset = (lines[0] as string).length + LINE_END;
  for (const [index, line] of lines.slice(1).entries()) {
    if (index >= limit) throw new HttpError("too-large", `the head has more than ${limit} fields`, offset);
    const match = fieldShape.exec(line);
    if (match === null) throw new HttpError("malformed", `"${shorten(line)}" is no header field`, offset);
    const name = (match[1] as string).toLowerCase();
    const value = (match[2] as string).trimEnd();
    const earlier = headers.get(name);
    // Two readings of where a message ends are how one message is smuggled inside another.
    if (earlier !== undefined && earlier !== value && name === "content-length")
      throw new HttpError("malformed", "there are two different Content-Length fields", offset);
    if (earlier === undefined) headers.set(name, value);
    (earlier === undefined ? offsets : repeated).set(name, offset);
    offset += line.length + LINE_END;
  }
  return { headers, offsets, repeated };
};

/** The length that the head announces; undefined if it does not. @throws HttpError */
export const contentLength = (headers: Headers): number | undefined => {
  const text = headers.get("content-length");
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,15}$/.test(text)) throw new HttpError("malformed", `"${shorten(text)}" is no Content-Length`);
  return Number(text);
};

/** Text of a peer's, fit for a message: short, and without control characters. */
export const shorten = (text: string, length = 80): string => {
  const printable = text.replace(/[^\x20-\x7e]/g, "?");
  return printable.length <= length ? printable : `${printable.slice(0, length - 1)}…`;
};
