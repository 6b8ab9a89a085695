import { CellEncodeError } from "./error.ts";
import type { IpAddress } from "./ip.ts";
import { ipLength, ipToBytes } from "./ip.ts";

const INITIAL_LENGTH = 64;

/**
 * Writes the fields of one message into a buffer that grows. Integers are big-endian (tor-spec 0.1.1); one that does not
 * fit its field is a {@link CellEncodeError} that names the message. Not for the hot path.
 */
export class ByteWriter {
  private readonly subject: string;
  private bytes: Buffer = Buffer.alloc(INITIAL_LENGTH);
  private at = 0;

  constructor(subject: string) {
    this.subject = subject;
  }

  /** Writes an unsigned integer of 8 bits. */
  u8(value: number, field: string): this {
    return this.uint(value, 1, field);
  }

  /** Writes an unsigned integer of 16 bits. */
  u16(value: number, field: string): this {
    return this.uint(value, 2, field);
  }

  /** Writes an unsigned integer of 32 bits. */
  u32(value: number, field: string): this {
    return this.uint(value, 4, field);
  }

  /** Writes an unsigned integer of 64 bits. */
  u64(value: bigint, field: string): this {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) this.fail(`${field} ${value} does not fit 8 bytes`);
    this.reserve(8);
    this.bytes.writeBigUInt64BE(value, this.at);
    this.at += 8;
    return this;
  }

  /** Writes bytes as they are. */
  raw(value: Uint8Array): this {
    this.reserve(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
    return this;
  }

  /** Writes bytes of a field that has one length. */
  fixed(value: Uint8Array, length: number, field: string): this {
    if (value.length !== length) this.fail(`${field} has ${value.length} bytes, not ${length}`);
    return this.raw(value);
  }

  /** Writes an address in network order, if its text is one of its family. */
  ip(address: IpAddress): this {
    const bytes = ipToBytes(address.address);
    if (bytes === undefined || bytes.length !== ipLength(address.family)) {
      return this.fail(`"${address.address}" is no address of family ${address.family}`);
    }
    return this.raw(bytes);
  }

  /** What was written. */
  finish(): Buffer {
    return this.bytes.subarray(0, this.at);
  }

  /** Fails: this message has no encoding. */
  fail(detail: string): never {
    throw new CellEncodeError(this.subject, detail);
  }

  private uint(value: number, length: 1 | 2 | 4, field: string): this {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * length)) {
      this.fail(`${field} ${value} does not fit ${length} bytes`);
    }
    this.reserve(length);
    this.at = this.bytes.writeUIntBE(value, this.at, length);
    return this;
  }

  private reserve(length: number): void {
    const needed = this.at + length;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.alloc(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.at);
    this.bytes = grown;
  }
}
