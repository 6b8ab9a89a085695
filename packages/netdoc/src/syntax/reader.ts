import { Item, isBlank, type ObjectSpan } from "./item.ts";
import { maxLineLength, type Source } from "./source.ts";

const newline = 0x0a;
const dash = 0x2d;
const at = 0x40;
const beginMark = "-----BEGIN ";
const endMark = "-----END ";
const tail = "-----";
const label = /^[A-Za-z0-9][A-Za-z0-9-]*( [A-Za-z0-9][A-Za-z0-9-]*)*$/;

const isKeywordStart = (code: number): boolean =>
  (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39);
const isKeywordCharacter = (code: number): boolean => isKeywordStart(code) || code === dash;

/** What may stand before a document's first item. */
export interface ReaderOptions {
  /** Whether lines before the first item may begin with `@`, as in the files of a cache. Anywhere else they are errors. */
  readonly annotations?: boolean;
}

/**
 * Reads a text item by item (dir-spec 1.2). Blank lines between items are skipped; a leading `opt` is dropped, as the
 * specification before version 3 had it.
 */
export class ItemReader {
  /** The text that it reads. */
  readonly source: Source;
  #annotations: boolean;
  #position: number;
  #peeked: Item | undefined;

  /**
   * @throws NetdocError if the text breaks the rules on encoding (see `Source.checkEncoding`)
   */
  constructor(source: Source, options: ReaderOptions = {}) {
    source.checkEncoding();
    this.source = source;
    this.#annotations = options.annotations ?? false;
    this.#position = source.start;
  }

  /**
   * A reader whose next item is the first behind the annotations that a cache's file has.
   *
   * @throws NetdocError if the text breaks the rules on encoding, or an annotation is malformed
   */
  static behindAnnotations(source: Source): ItemReader {
    const reader = new ItemReader(source, { annotations: true });
    while (reader.peek()?.keyword.startsWith("@") === true) reader.next();
    return reader;
  }

  /**
   * The next item, which stays next.
   *
   * @throws NetdocError at the first byte that does not fit
   */
  peek(): Item | undefined {
    this.#peeked ??= this.#read();
    return this.#peeked;
  }

  /**
   * The next item; undefined at the end of the text.
   *
   * @throws NetdocError at the first byte that does not fit
   */
  next(): Item | undefined {
    const item = this.peek();
    this.#peeked = undefined;
    return item;
  }

  #read(): Item | undefined {
    const { text, end } = this.source;
    while (this.#position < end && text.charCodeAt(this.#position) === newline) this.#position++;
    const start = this.#position;
    if (start >= end) return undefined;
    const lineEnd = text.indexOf("\n", start);
    if (lineEnd - start > maxLineLength) throw this.source.error("line-too-long", "a line is too long", start);

    let keywordStart = start;
    let keywordEnd = this.#keywordEnd(start, lineEnd);
    if (keywordEnd - start === 3 && text.startsWith("opt", start)) {
      const next = skipBlanks(text, keywordEnd, lineEnd);
      if (next < lineEnd) {
        keywordStart = next;
        keywordEnd = this.#keywordEnd(next, lineEnd);
      }
    }
    const object = this.#object(lineEnd + 1);
    const item = new Item(
      this.source,
      text.slice(keywordStart, keywordEnd),
      start,
      skipBlanks(text, keywordEnd, lineEnd),
      lineEnd,
      object?.span,
      object?.end ?? lineEnd + 1,
    );
    this.#position = item.end;
    return item;
  }

  #keywordEnd(start: number, lineEnd: number): number {
    const { source } = this;
    const { text } = source;
    let index = start;
    const first = text.charCodeAt(index);
    if (first === at) {
      if (!this.#annotations) throw source.error("unexpected-annotation", "an annotation", start);
      index++;
    } else {
      this.#annotations = false;
    }
    if (!isKeywordStart(text.charCodeAt(index))) {
      if (text.startsWith(beginMark, start)) throw source.error("stray-object", "an object without an item", start);
      throw source.error("bad-keyword", "a line that begins with no keyword", index);
    }
    while (index < lineEnd && isKeywordCharacter(text.charCodeAt(index))) index++;
    if (index < lineEnd && !isBlank(text.charCodeAt(index)))
      throw source.error("bad-keyword", "a character that no keyword may have", index);
    return index;
  }

  #object(start: number): { readonly span: ObjectSpan; readonly end: number } | undefined {
    const { source } = this;
    const { text, end } = source;
    if (start >= end || !text.startsWith(beginMark, start)) return undefined;
    const beginEnd = text.indexOf("\n", start);
    const name = text.slice(start + beginMark.length, beginEnd - tail.length);
    if (beginEnd - start > maxLineLength || !text.startsWith(tail, beginEnd - tail.length) || !label.test(name))
      throw source.error("bad-object-begin", "a malformed line at the beginning of an object", start);
    const bodyStart = beginEnd + 1;
    // The first line that begins with a dash must be the end: base64 has none.
    const bodyEnd = text.charCodeAt(bodyStart) === dash ? bodyStart : text.indexOf("\n-", bodyStart - 1) + 1;
    if (bodyEnd === 0 || bodyEnd >= end) throw source.error("bad-object-end", `${name} does not end`, start);
    const expected = `${endMark}${name}${tail}\n`;
    if (!text.startsWith(expected, bodyEnd) || bodyEnd + expected.length > end)
      throw source.error("bad-object-end", `a line that does not end ${name}`, bodyEnd);
    return { span: { label: name, start, bodyStart, bodyEnd }, end: bodyEnd + expected.length };
  }
}

const skipBlanks = (text: string, from: number, to: number): number => {
  let index = from;
  while (index < to && isBlank(text.charCodeAt(index))) index++;
  return index;
};
