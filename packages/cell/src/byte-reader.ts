import type { CellProblem } from "./error.ts";
import { CellError } from "./error.ts";
import type { IpAddress } from "./ip.ts";
import { ipFromBytes, ipLength } from "./ip.ts";

/**
 * Reads the fields of one message out of `bytes[start, end)`, and turns every read past the end into a {@link CellError}
 * that names the message. Integers are big-endian (tor-spec 0.1.1). Not for the hot path.
 */
export class ByteReader {
  private readonly bytes: Buffer;
  private readonly start: number;
  private readonly end: number;
  private readonly subject: string;
  private at: number;

  constructor(subject: string, bytes: Buffer, start: number, end: number) {
    this.subject = subject;
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.at = start;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.at - this.start;
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.end - this.at;
  }

  /** Reads an unsigned integer of 8 bits. */
  u8(field: string): number {
    return this.bytes[this.advance(1, field)] as number;
  }

  /** Reads an unsigned integer of 16 bits. */
  u16(field: string): number {
    return this.bytes.readUInt16BE(this.advance(2, field));
  }

  /** Reads an unsigned integer of 32 bits. */
  u32(field: string): number {
    return this.bytes.readUInt32BE(this.advance(4, field));
  }

  /** Reads an unsigned integer of 64 bits. */
  u64(field: string): bigint {
    return this.bytes.readBigUInt64BE(this.advance(8, field));
  }

  /** Reads `length` bytes into a copy, so that the message outlives the buffer it came in. */
  take(length: number, field: string): Buffer {
    const from = this.advance(length, field);
    return Buffer.from(this.bytes.subarray(from, from + length));
  }

  /** Reads an address in network order: 4 bytes or 16. */
  ip(family: 4 | 6, field: string): IpAddress {
    const length = ipLength(family);
    const from = this.advance(length, field);
    return ipFromBytes(this.bytes.subarray(from, from + length)) as IpAddress;
  }

  /** Reads all that is left, into a copy. */
  rest(): Buffer {
    return this.take(this.remaining, "rest");
  }

  /**
   * Reads text up to a NUL, which is taken too, one character for each byte. Without a NUL it is malformed, or, if
   * `orToEnd`, all that is left.
   */
  text(field: string, orToEnd = false): string {
    const nul = this.bytes.subarray(this.at, this.end).indexOf(0);
    if (nul < 0 && !orToEnd) this.fail("value", `${field} has no NUL`);
    const from = this.at;
    const to = nul < 0 ? this.end : from + nul;
    this.at = nul < 0 ? to : to + 1;
    return this.bytes.toString("latin1", from, to);
  }

  /** Fails at the present position, or `back` bytes before it. */
  fail(problem: CellProblem, detail: string, back = 0): never {
    throw new CellError(problem, this.subject, this.offset - back, detail);
  }

  private advance(length: number, field: string): number {
    const from = this.at;
    if (length > this.end - from) {
      this.fail("truncated", `${field} needs ${length} bytes, ${this.end - from} are left`);
    }
    this.at = from + length;
    return from;
  }
}
