import { isVariableLength } from "./channel-command.ts";
import type { CircIdLen } from "./constants.ts";
import { CELL_BODY_LEN, LINK_PROTOCOL_MAX, LINK_PROTOCOL_MIN } from "./constants.ts";
import { CellEncodeError, CellError } from "./error.ts";

/** What a {@link CellDecoder} accepts and holds, in bytes. */
export interface CellDecoderLimits {
  /**
   * The longest body of a variable-length cell. The wire allows 65535; the CERTS of today's relays take about 2500.
   * A decoder whose peer stops in the middle of a cell holds at most this and a header.
   * @default 16384
   */
  readonly maxVariableLength?: number;
  /**
   * The most that undecoded chunks may add up to when `push` is called before `next` has returned false.
   * @default 262144
   */
  readonly maxBacklog?: number;
}

/** @see CellDecoderLimits.maxVariableLength */
export const DEFAULT_MAX_VARIABLE_LENGTH = 16_384;

/** @see CellDecoderLimits.maxBacklog */
export const DEFAULT_MAX_BACKLOG = 262_144;

/** Room for every fixed-length cell: most carries are one of those. */
const INITIAL_CARRY_LENGTH = 1024;

const NOTHING = Buffer.alloc(0);

/** One framed cell: what the message parsers read. The body is `bytes[start, end)`. */
export interface CellView {
  readonly circId: number;
  readonly command: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/**
 * Cuts the byte stream of one channel into cells (tor-spec 3). A cursor: `next` moves the fields of this object to the next cell,
 * so that no object is made for a cell, and the body stays where the socket put it. Only a cell that a chunk's border cuts
 * is put together in a buffer of this decoder.
 *
 * ```ts
 * decoder.push(chunk);
 * while (decoder.next()) handle(decoder.circId, decoder.command, decoder.bytes, decoder.start, decoder.end);
 * ```
 *
 * The fields are good until the next call of `next`, `push` or `setLinkProtocol`. Commands that are not defined are
 * delivered like any other: to drop them is for the layer above. After an error the decoder stands still: every `next`
 * fails in the same way.
 */
export class CellDecoder implements CellView {
  /** Circuit ID of the present cell, as an unsigned integer; 0 for a cell of the channel itself. */
  circId = 0;
  /** Command byte of the present cell. */
  command = 0;
  /** The buffer that holds the present cell. */
  bytes: Buffer = NOTHING;
  /** Where the present cell begins in `bytes`, header included: the handshake's transcripts are hashes of whole cells. */
  cellStart = 0;
  /** Where the body of the present cell begins in `bytes`. */
  start = 0;
  /** Where the present cell ends in `bytes`. */
  end = 0;

  private circIdLen: CircIdLen = 2;
  private readonly maxVariableLength: number;
  private readonly maxBacklog: number;
  private chunk: Buffer = NOTHING;
  private at = 0;
  private carry: Buffer = NOTHING;
  private carried = 0;

  constructor(limits: CellDecoderLimits = {}) {
    this.maxVariableLength = limits.maxVariableLength ?? DEFAULT_MAX_VARIABLE_LENGTH;
    this.maxBacklog = limits.maxBacklog ?? DEFAULT_MAX_BACKLOG;
  }

  /** Bytes that have been pushed and not delivered. */
  get buffered(): number {
    return this.carried + this.chunk.length - this.at;
  }

  /** Bytes of memory that the decoder keeps alive, for the accounts of whoever owns it. */
  get held(): number {
    return this.carry.length + this.chunk.length;
  }

  /**
   * Switches to the circuit ID length of a negotiated link protocol, from the cell after the present one on. To be called
   * on the peer's VERSIONS, before `next`; until then circuit IDs have 2 bytes (tor-spec 4.1).
   *
   * @throws CellEncodeError for a link protocol that this package cannot frame: offer only those it can
   */
  setLinkProtocol(version: number): void {
    if (!Number.isInteger(version) || version < LINK_PROTOCOL_MIN || version > LINK_PROTOCOL_MAX) {
      throw new CellEncodeError("VERSIONS", `link protocol ${version} is not one of 3 to 5`);
    }
    this.circIdLen = version >= 4 ? 4 : 2;
    if (this.carried > 0) {
      // The start of a cell was carried under the old length: put it back, to be read under the new one.
      this.chunk = Buffer.concat([this.carry.subarray(0, this.carried), this.chunk.subarray(this.at)]);
      this.at = 0;
      this.carried = 0;
    }
  }

  /**
   * Gives the decoder what the socket delivered. The chunk must not change until `next` has returned false. A chunk that
   * comes before the last one is used up is appended to the rest by a copy.
   *
   * @throws CellError `backlog` if the two together exceed `maxBacklog`
   */
  push(chunk: Buffer): void {
    const left = this.chunk.length - this.at;
    if (left === 0) {
      this.chunk = chunk;
    } else {
      if (left + chunk.length > this.maxBacklog) {
        throw new CellError("backlog", "cell stream", 0, `${left + chunk.length} bytes wait, ${this.maxBacklog} may`);
      }
      this.chunk = Buffer.concat([this.chunk.subarray(this.at), chunk]);
    }
    this.at = 0;
  }

  /**
   * Moves to the next whole cell; false if there is none until more is pushed.
   *
   * @throws CellError `oversized` for a variable-length cell above the limit, as soon as its header is there
   */
  next(): boolean {
    if (this.carried > 0) return this.nextCarried();
    const chunk = this.chunk;
    const at = this.at;
    const left = chunk.length - at;
    let start = at + this.circIdLen + 1;
    // One comparison covers the header and the body of nearly every cell; all else takes the slow way.
    if (left < this.circIdLen + 1 + CELL_BODY_LEN) return this.nextShort();
    const command = chunk[start - 1] as number;
    let end = start + CELL_BODY_LEN;
    if (command === 7 || command >= 128) {
      const length = ((chunk[start] as number) << 8) | (chunk[start + 1] as number);
      if (length > this.maxVariableLength) this.failOversized(command, length);
      start += 2;
      end = start + length;
      if (end > chunk.length) return this.stash();
    }
    this.circId =
      this.circIdLen === 4
        ? (((chunk[at] as number) << 24) |
            ((chunk[at + 1] as number) << 16) |
            ((chunk[at + 2] as number) << 8) |
            (chunk[at + 3] as number)) >>>
          0
        : ((chunk[at] as number) << 8) | (chunk[at + 1] as number);
    this.command = command;
    this.bytes = chunk;
    this.cellStart = at;
    this.start = start;
    this.end = end;
    this.at = end;
    return true;
  }

  /** `next` when less is left than a fixed-length cell: either a short variable-length one, or the border of a chunk. */
  private nextShort(): boolean {
    const at = this.at;
    const length = this.cellLength(this.chunk, at, this.chunk.length);
    if (length === undefined || length > this.chunk.length - at) return this.stash();
    this.deliver(this.chunk, at, length);
    this.at = at + length;
    return true;
  }

  /** Keeps the start of a cell whose rest has not come, and lets go of the chunk: an idle channel holds none. */
  private stash(): false {
    if (this.carry.length > INITIAL_CARRY_LENGTH) this.carry = NOTHING;
    this.refill(this.chunk.length - this.at);
    this.chunk = NOTHING;
    this.at = 0;
    this.bytes = NOTHING;
    return false;
  }

  /** `next` when the start of a cell is in the carry buffer: first its header is completed, then the cell. */
  private nextCarried(): boolean {
    const header = this.circIdLen + 3;
    if (this.carried < header) this.refill(header - this.carried);
    const length = this.cellLength(this.carry, 0, this.carried);
    if (length === undefined) return false;
    if (this.carried < length) this.refill(length - this.carried);
    if (this.carried < length) return false;
    this.deliver(this.carry, 0, length);
    this.carried = 0;
    return true;
  }

  /** Moves up to `wanted` bytes from the chunk to the carry buffer. */
  private refill(wanted: number): void {
    const moved = Math.min(wanted, this.chunk.length - this.at);
    if (moved === 0) return;
    if (this.carried + moved > this.carry.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(INITIAL_CARRY_LENGTH, this.carried + wanted));
      this.carry.copy(grown, 0, 0, this.carried);
      this.carry = grown;
    }
    this.chunk.copy(this.carry, this.carried, this.at, this.at + moved);
    this.carried += moved;
    this.at += moved;
  }

  /** The length of the cell that begins at `from`, header included; undefined while its header is not complete. */
  private cellLength(bytes: Buffer, from: number, to: number): number | undefined {
    const body = from + this.circIdLen + 1;
    if (to < body) return undefined;
    const command = bytes[body - 1] as number;
    if (!isVariableLength(command)) return this.circIdLen + 1 + CELL_BODY_LEN;
    if (to < body + 2) return undefined;
    const length = bytes.readUInt16BE(body);
    if (length > this.maxVariableLength) this.failOversized(command, length);
    return this.circIdLen + 3 + length;
  }

  private deliver(bytes: Buffer, from: number, length: number): void {
    this.circId = bytes.readUIntBE(from, this.circIdLen);
    this.command = bytes[from + this.circIdLen] as number;
    this.bytes = bytes;
    this.cellStart = from;
    this.start = from + this.circIdLen + (isVariableLength(this.command) ? 3 : 1);
    this.end = from + length;
  }

  private failOversized(command: number, length: number): never {
    throw new CellError(
      "oversized",
      "variable-length cell",
      this.circIdLen + 1,
      `command ${command} announces ${length} bytes, ${this.maxVariableLength} are accepted`,
    );
  }
}
