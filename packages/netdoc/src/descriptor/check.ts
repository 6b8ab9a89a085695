import { type DocumentKind, WriteError } from "../errors.ts";
import { nickname } from "../values/fingerprint.ts";
import type { UnixMillis } from "../values/time.ts";

/** Checks of what is about to be written: whatever passes has a form that every reader of the specification accepts. */
export class FieldChecks {
  readonly #document: DocumentKind;

  constructor(document: DocumentKind) {
    this.#document = document;
  }

  /** @throws WriteError if the condition does not hold */
  require(holds: boolean, field: string, detail: string): void {
    if (!holds) throw new WriteError(this.#document, field, detail);
  }

  /** @throws WriteError if it is no nickname */
  nickname(text: string): void {
    this.require(nickname(text) !== undefined, "nickname", "must be 1 to 19 letters and digits");
  }

  /** @throws WriteError if it is no integer within the bounds */
  integer(value: number, field: string, min: number, max: number): void {
    this.require(Number.isInteger(value) && value >= min && value <= max, field, `must be from ${min} to ${max}`);
  }

  /** @throws WriteError if it has no form in a document, which knows the years from 1970 to 9999 */
  time(value: UnixMillis, field: string): void {
    this.require(
      Number.isFinite(value) && value >= 0 && value < 253_402_300_800_000,
      field,
      "must be a time of our era",
    );
  }

  /** @throws WriteError if free text would not fit into its line, or not be UTF-8 */
  line(text: string, field: string): void {
    this.require(!/[^\t -~\u0080-\u{10ffff}]/u.test(text), field, "must be one line without control characters");
    this.require(text.isWellFormed(), field, "must be well-formed Unicode");
    this.require(text.trim() === text && text !== "", field, "must neither be empty nor begin or end with a space");
  }

  /** @throws WriteError if the document is longer than authorities accept */
  size(text: string, max: number): void {
    this.require(Buffer.byteLength(text, "utf8") <= max, "size", `must not exceed ${max} bytes`);
  }
}
