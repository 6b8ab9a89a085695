import { isVariableLength } from "./channel-command.ts";
import type { CircIdLen } from "./constants.ts";
import { CELL_BODY_LEN, fixedCellLength, fixedHeaderLength, variableHeaderLength } from "./constants.ts";
import { CellEncodeError } from "./error.ts";

/**
 * Writes circuit ID and command at `offset` and returns where the body (or, for variable-length cells, the length) goes.
 * What the channel writer calls for each cell of a train: it neither checks nor allocates. tor-spec 3.
 */
export const writeCellHeader = (
  out: Buffer,
  offset: number,
  circId: number,
  command: number,
  circIdLen: CircIdLen = 4,
): number => {
  let at = offset;
  if (circIdLen === 4) {
    out[at++] = circId >>> 24;
    out[at++] = circId >>> 16;
  }
  out[at++] = circId >>> 8;
  out[at++] = circId;
  out[at++] = command;
  return at;
};

const checkCircId = (circId: number, circIdLen: CircIdLen): void => {
  if (!Number.isInteger(circId) || circId < 0 || circId >= 2 ** (8 * circIdLen)) {
    throw new CellEncodeError("cell", `circuit ID ${circId} does not fit ${circIdLen} bytes`);
  }
};

/**
 * A whole fixed-length cell, its body padded with zeros to {@link CELL_BODY_LEN}. tor-spec 3.
 *
 * @throws CellEncodeError if the body is longer, the circuit ID does not fit, or the command's cells have a length field
 */
export const encodeFixedCell = (
  circId: number,
  command: number,
  body: Uint8Array,
  circIdLen: CircIdLen = 4,
): Buffer => {
  checkCircId(circId, circIdLen);
  if (isVariableLength(command)) throw new CellEncodeError("cell", `command ${command} is of variable length`);
  if (body.length > CELL_BODY_LEN) {
    throw new CellEncodeError("cell", `a body of ${body.length} bytes is longer than ${CELL_BODY_LEN}`);
  }
  const cell = Buffer.alloc(fixedCellLength(circIdLen));
  cell.set(body, fixedHeaderLength(circIdLen));
  writeCellHeader(cell, 0, circId, command, circIdLen);
  return cell;
};

/**
 * A whole variable-length cell. tor-spec 3.
 *
 * @throws CellEncodeError if the body is longer than 65535 bytes, the circuit ID does not fit, or the command's cells have no length field
 */
export const encodeVariableCell = (
  circId: number,
  command: number,
  body: Uint8Array,
  circIdLen: CircIdLen = 4,
): Buffer => {
  checkCircId(circId, circIdLen);
  if (!isVariableLength(command)) throw new CellEncodeError("cell", `command ${command} is of fixed length`);
  if (body.length > 0xffff) throw new CellEncodeError("cell", `a body of ${body.length} bytes is longer than 65535`);
  const header = variableHeaderLength(circIdLen);
  const cell = Buffer.allocUnsafe(header + body.length);
  cell.writeUInt16BE(body.length, writeCellHeader(cell, 0, circId, command, circIdLen));
  cell.set(body, header);
  return cell;
};
