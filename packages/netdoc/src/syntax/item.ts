import type { NetdocError, NetdocProblem } from "../errors.ts";
import { decodeBase64Lines } from "../values/encodings.ts";
import type { Source } from "./source.ts";

const whitespace = /[ \t]+/;
const space = 0x20;
const tab = 0x09;

/** Where an item's object lies: the block between `-----BEGIN` and `-----END` (dir-spec 1.2). */
export interface ObjectSpan {
  /** What stands after `BEGIN`, as in `SIGNATURE`. */
  readonly label: string;
  /** Where the `-----BEGIN` line begins. */
  readonly start: number;
  /** Where the encoded data begins. */
  readonly bodyStart: number;
  /** Where the encoded data ends, and the `-----END` line begins. */
  readonly bodyEnd: number;
}

/**
 * One item of a document: a keyword line and perhaps an object. It holds offsets and reads its arguments when they are
 * asked for, since most items of a large document are read once or not at all.
 */
export class Item {
  /** The text that it is in. */
  readonly source: Source;
  /** The first word of its line; with its `@`, if it is an annotation. */
  readonly keyword: string;
  /** Where its line begins. */
  readonly start: number;
  /** Where what follows the keyword begins, whitespace skipped. */
  readonly argumentsStart: number;
  /** Where its line ends, before the newline. */
  readonly lineEnd: number;
  /** Its object, if it has one. */
  readonly object: ObjectSpan | undefined;
  /** Where the next item may begin. */
  readonly end: number;
  #words: ReadonlyArray<string> | undefined;

  constructor(
    source: Source,
    keyword: string,
    start: number,
    argumentsStart: number,
    lineEnd: number,
    object: ObjectSpan | undefined,
    end: number,
  ) {
    this.source = source;
    this.keyword = keyword;
    this.start = start;
    this.argumentsStart = argumentsStart;
    this.lineEnd = lineEnd;
    this.object = object;
    this.end = end;
  }

  /** The arguments: what follows the keyword, split at whitespace. */
  get words(): ReadonlyArray<string> {
    if (this.#words === undefined) {
      const words = this.rest.split(whitespace);
      if (words[words.length - 1] === "") words.pop();
      this.#words = words;
    }
    return this.#words;
  }

  /** Everything that follows the keyword, as it stands; a copy, as a slice would keep the whole document in memory. */
  get rest(): string {
    return this.source.copy(this.argumentsStart, this.lineEnd);
  }

  /**
   * Everything that follows the keyword, as UTF-8 and in memory of its own: free text, such as a contact. Somebody out there
   * chose every character of it, and it may have control characters.
   */
  get freeText(): string {
    return this.source.utf8(this.argumentsStart, this.lineEnd);
  }

  /**
   * The argument with a number, through a decoder that answers undefined for what it does not accept.
   *
   * @param what names what is expected, with its article, for the error
   * @throws NetdocError if there is no such argument, or the decoder does not accept it
   */
  read<A>(index: number, decode: (text: string) => A | undefined, what: string): A {
    const word = this.words[index];
    if (word === undefined) throw this.error("missing-argument", `${what} is missing`, this.lineEnd);
    const value = decode(word);
    if (value === undefined) throw this.argumentError(index, `expected ${what}`);
    return value;
  }

  /** As {@link read}, for an argument that may be absent. */
  readOptional<A>(index: number, decode: (text: string) => A | undefined, what: string): A | undefined {
    return this.words[index] === undefined ? undefined : this.read(index, decode, what);
  }

  /**
   * The content of the object.
   *
   * @throws NetdocError if there is none, or it is not strictly base64
   */
  objectBytes(): Buffer {
    const span = this.object;
    if (span === undefined) throw this.error("missing-object", "has no object", this.lineEnd);
    const bytes = decodeBase64Lines(this.source.text.slice(span.bodyStart, span.bodyEnd));
    if (bytes === undefined) throw this.error("bad-object", `${span.label} is not base64`, span.bodyStart);
    return bytes;
  }

  /** An error in this item, at an offset; without one, at its beginning. */
  error(problem: NetdocProblem, detail: string, offset = this.start): NetdocError {
    return this.source.error(problem, detail, offset, this.keyword);
  }

  /** A `bad-argument` error at the argument with a number, or so many characters behind its beginning. */
  argumentError(index: number, detail: string, within = 0): NetdocError {
    return this.error("bad-argument", detail, this.argumentStart(index) + within);
  }

  /** A `bad-object` error: the object was decoded, and its content is not what it should be. */
  objectError(detail: string): NetdocError {
    return this.error("bad-object", detail, this.object?.bodyStart ?? this.lineEnd);
  }

  /** Where the argument with a number begins; the end of the line, if there are not so many. */
  argumentStart(index: number): number {
    const { text } = this.source;
    let at = this.argumentsStart;
    for (let skipped = 0; skipped < index; skipped++) {
      while (at < this.lineEnd && !isBlank(text.charCodeAt(at))) at++;
      while (at < this.lineEnd && isBlank(text.charCodeAt(at))) at++;
    }
    return at;
  }
}

/** Whether a character separates arguments. */
export const isBlank = (code: number): boolean => code === space || code === tab;
