import { isAscii, isUtf8 } from "node:buffer";
import { type DocumentKind, NetdocError, type NetdocProblem } from "../errors.ts";

/** Bytes of the longest line that is read, as in `tor`: nothing in the network comes near. */
export const maxLineLength = 128 * 1024;

const newline = 0x0a;
const unprintable = /[^\t\n -~]/;

/**
 * The text of one document, or of a part of a longer text that holds many.
 *
 * `text` has exactly one character for each byte (its Latin-1 reading), so a character's index is a byte's offset: digests
 * are taken over the very bytes that were parsed, and positions are exact whatever the encoding. Free text is read again as
 * UTF-8, where it is wanted.
 */
export class Source {
  /** The kind of document, for errors. */
  readonly document: DocumentKind;
  /** The bytes of the whole text. */
  readonly bytes: Buffer;
  /** One character for each byte of the whole text. */
  readonly text: string;
  /** Where this document begins. */
  readonly start: number;
  /** Where it ends. */
  readonly end: number;
  /** Whether it has nothing but printable ASCII, tabs and newlines, which spares the readers a look at each line. */
  readonly plain: boolean;
  readonly #ascii: boolean;

  private constructor(document: DocumentKind, bytes: Buffer, text: string, start: number, end: number) {
    this.document = document;
    this.bytes = bytes;
    this.text = text;
    this.start = start;
    this.end = end;
    this.#ascii = isAscii(bytes.subarray(start, end));
    this.plain = this.#ascii && !unprintable.test(this.#own());
  }

  /** The whole of a text, as it came. A string is encoded as UTF-8 first. */
  static of(document: DocumentKind, input: string | Uint8Array): Source {
    const bytes =
      typeof input === "string"
        ? Buffer.from(input, "utf8")
        : Buffer.from(input.buffer, input.byteOffset, input.byteLength);
    return new Source(document, bytes, bytes.toString("latin1"), 0, bytes.length);
  }

  /** The part between two offsets, which lie at the beginnings of lines (or at the end). Shares the memory. */
  part(start: number, end: number): Source {
    return new Source(this.document, this.bytes, this.text, start, end);
  }

  /**
   * Checks what every text must be (dir-spec 1.2): UTF-8, no byte order mark, no NUL, lines that end. Other control characters
   * are a matter of the single item: a relay can put them into what it says about itself, and that must not make anybody
   * refuse the whole consensus.
   *
   * @throws NetdocError at the first byte at fault
   */
  checkEncoding(): void {
    const { bytes, start, end } = this;
    if (!this.#ascii) {
      if (end - start >= 3 && bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf)
        throw this.error("byte-order-mark", "a byte order mark", start);
      if (!isUtf8(bytes.subarray(start, end)))
        throw this.error("not-utf8", "a byte that is not UTF-8", this.#firstBadByte());
    }
    if (!this.plain) {
      const nul = this.#own().indexOf("\0");
      if (nul >= 0) throw this.error("control-character", "a NUL", start + nul);
    }
    if (end > start && bytes[end - 1] !== newline)
      throw this.error("missing-newline", "the last line does not end", end);
  }

  /** An error at an offset. */
  error(problem: NetdocProblem, detail: string, offset: number, keyword?: string): NetdocError {
    return new NetdocError(this.document, problem, detail, this.position(offset), keyword);
  }

  /** The line and column of an offset, both from one. */
  position(offset: number): { readonly line: number; readonly column: number } {
    let line = 1;
    let lineStart = 0;
    for (;;) {
      const end = this.text.indexOf("\n", lineStart);
      if (end < 0 || end >= offset) return { line, column: offset - lineStart + 1 };
      line++;
      lineStart = end + 1;
    }
  }

  /** A copy of the text between two offsets that does not keep the whole alive. */
  copy(start: number, end: number): string {
    return this.bytes.toString("latin1", start, end);
  }

  /** The text between two offsets, read as UTF-8. */
  utf8(start: number, end: number): string {
    return this.bytes.toString("utf8", start, end);
  }

  #own(): string {
    return this.start === 0 && this.end === this.text.length ? this.text : this.text.slice(this.start, this.end);
  }

  #firstBadByte(): number {
    let at = this.start;
    while (at < this.end) {
      const lead = this.bytes[at] ?? 0;
      const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      if (length > 1 && !isUtf8(this.bytes.subarray(at, Math.min(at + length, this.end)))) break;
      at += length;
    }
    return at;
  }
}
