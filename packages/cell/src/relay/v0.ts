import { CELL_BODY_LEN } from "../constants.ts";
import { CellEncodeError, CellError } from "../error.ts";
import { relayCommandName } from "../relay-command.ts";
import type { PaddingSource, RelayCellFormat, RelayCellReader } from "./format.ts";
import { acceptsStreamId } from "./stream-id.ts";

// Relay cell format 0 (tor-spec 6.1), one message in a cell:
//
//   0        1          3         5       9       11
//   command  recognized stream ID digest  length  data, then padding
const COMMAND = 0;
const STREAM_ID = 3;
const LENGTH = 9;
const DATA = 11;

/** Where the two bytes lie, from the start of a cell body, that are zero in a cell that has reached its hop. tor-spec 6.1. */
export const RELAY_V0_RECOGNIZED_OFFSET = 1;

/** Where the digest lies, from the start of a cell body; counted as zeros when it is computed. tor-spec 6.1. */
export const RELAY_V0_DIGEST_OFFSET = 5;

/** Bytes of the digest: the first of the running hash. tor-spec 6.1. */
export const RELAY_V0_DIGEST_LEN = 4;

/** Bytes of zeros that come before random padding. tor-spec 6.1. */
const ZERO_PADDING = 4;

/** Most bytes of a message in a cell of format 0. tor-spec 6.1. */
export const RELAY_V0_MAX_DATA = CELL_BODY_LEN - DATA;

/** True if the recognized field of a cell is zero: then, and only then, its digest is worth computing. tor-spec 6.1. */
export const hasZeroRecognized = (slab: Buffer, index: number): boolean => {
  const at = index * CELL_BODY_LEN + RELAY_V0_RECOGNIZED_OFFSET;
  return slab[at] === 0 && slab[at + 1] === 0;
};

/** The digest field of a cell, as a signed integer of 32 bits, which costs no allocation. tor-spec 6.1. */
export const getRelayDigest = (slab: Buffer, index: number): number => {
  const at = index * CELL_BODY_LEN + RELAY_V0_DIGEST_OFFSET;
  return (
    ((slab[at] as number) << 24) |
    ((slab[at + 1] as number) << 16) |
    ((slab[at + 2] as number) << 8) |
    (slab[at + 3] as number)
  );
};

/** Sets the digest field of a cell: to zero before it is hashed, to the digest (or back) after. tor-spec 6.1. */
export const setRelayDigest = (slab: Buffer, index: number, digest: number): void => {
  const at = index * CELL_BODY_LEN + RELAY_V0_DIGEST_OFFSET;
  slab[at] = digest >>> 24;
  slab[at + 1] = digest >>> 16;
  slab[at + 2] = digest >>> 8;
  slab[at + 3] = digest;
};

const NOTHING = Buffer.alloc(0);

class RelayCellV0Reader implements RelayCellReader {
  command = 0;
  streamId = 0;
  bytes: Buffer = NOTHING;
  start = 0;
  end = 0;

  private unread = false;

  reset(slab: Buffer, index: number): void {
    this.bytes = slab;
    this.start = index * CELL_BODY_LEN;
    this.unread = true;
  }

  next(): boolean {
    if (!this.unread) return false;
    this.unread = false;
    const { bytes, start } = this;
    const command = bytes[start + COMMAND] as number;
    const streamId = ((bytes[start + STREAM_ID] as number) << 8) | (bytes[start + STREAM_ID + 1] as number);
    const length = ((bytes[start + LENGTH] as number) << 8) | (bytes[start + LENGTH + 1] as number);
    if (length > RELAY_V0_MAX_DATA) {
      throw new CellError("length", "RELAY cell", LENGTH, `${length} bytes of data, a cell has ${RELAY_V0_MAX_DATA}`);
    }
    if (!acceptsStreamId(command, streamId)) {
      throw new CellError("stream-id", "RELAY cell", STREAM_ID, `${relayCommandName(command)} on stream ${streamId}`);
    }
    this.command = command;
    this.streamId = streamId;
    this.start = start + DATA;
    this.end = start + DATA + length;
    return true;
  }
}

const writeMessage = (
  slab: Buffer,
  index: number,
  command: number,
  streamId: number,
  data: Buffer,
  start: number,
  end: number,
  padding?: PaddingSource,
): void => {
  const length = end - start;
  if (length > RELAY_V0_MAX_DATA) {
    throw new CellEncodeError("RELAY cell", `${length} bytes of data, a cell has ${RELAY_V0_MAX_DATA}`);
  }
  if (!acceptsStreamId(command, streamId)) {
    throw new CellEncodeError("RELAY cell", `${relayCommandName(command)} on stream ${streamId}`);
  }
  const at = index * CELL_BODY_LEN;
  slab[at] = command;
  slab[at + 1] = 0;
  slab[at + 2] = 0;
  slab[at + 3] = streamId >>> 8;
  slab[at + 4] = streamId;
  slab[at + 5] = 0;
  slab[at + 6] = 0;
  slab[at + 7] = 0;
  slab[at + 8] = 0;
  slab[at + 9] = length >>> 8;
  slab[at + 10] = length;
  data.copy(slab, at + DATA, start, end);
  const used = at + DATA + length;
  const cellEnd = at + CELL_BODY_LEN;
  if (used === cellEnd) return;
  const zeroEnd = padding === undefined ? cellEnd : Math.min(used + ZERO_PADDING, cellEnd);
  slab.fill(0, used, zeroEnd);
  if (padding !== undefined && zeroEnd < cellEnd) padding(slab, zeroEnd, cellEnd);
};

/** Relay cell format 0: one message in a cell, a 4-byte digest. tor-spec 6.1. */
export const relayCellV0: RelayCellFormat = {
  name: "v0",
  maxDataLength: RELAY_V0_MAX_DATA,
  makeReader: () => new RelayCellV0Reader(),
  writeMessage,
};
