import { ConsensusDiffError } from "../../errors.ts";

const newline = 0x0a;

/**
 * Checks that the last line of a text ends.
 *
 * @param what names the text in the error
 * @throws ConsensusDiffError `missing-newline`
 */
export const checkEnd = (bytes: Buffer, what: string): void => {
  if (bytes[bytes.length - 1] !== newline)
    throw new ConsensusDiffError("missing-newline", `the last line of the ${what} does not end`);
};

/** The lines of a text, by number from zero, each with its newline. */
export class Lines {
  readonly bytes: Buffer;
  /** How many there are. */
  readonly count: number;
  readonly #starts: Uint32Array;

  /**
   * @param what names the text in errors
   * @throws ConsensusDiffError `missing-newline`
   */
  constructor(bytes: Buffer, what: string) {
    checkEnd(bytes, what);
    let starts = new Uint32Array(1024);
    let count = 0;
    for (let at = 0; at < bytes.length; at = bytes.indexOf(newline, at) + 1) {
      if (count + 1 === starts.length) {
        const larger = new Uint32Array(starts.length * 2);
        larger.set(starts);
        starts = larger;
      }
      starts[count++] = at;
    }
    starts[count] = bytes.length;
    this.bytes = bytes;
    this.count = count;
    this.#starts = starts;
  }

  /** Where a line begins; where the text ends, for the number behind the last. */
  start(line: number): number {
    return this.#starts[line] as number;
  }

  /** A line without its newline. */
  text(line: number): string {
    return this.bytes.toString("latin1", this.start(line), this.start(line + 1) - 1);
  }

  /** The bytes of lines that follow each other. */
  slice(from: number, to: number): Buffer {
    return this.bytes.subarray(this.start(from), this.start(to));
  }

  /** Whether a line of this text says what a line of another one does. */
  equal(line: number, other: Lines, otherLine: number): boolean {
    const from = this.start(line);
    const to = this.start(line + 1);
    const otherFrom = other.start(otherLine);
    const otherTo = other.start(otherLine + 1);
    return to - from === otherTo - otherFrom && this.bytes.compare(other.bytes, otherFrom, otherTo, from, to) === 0;
  }
}
