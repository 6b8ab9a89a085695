/**
 * One message in a relay cell, not looked into: what the message readers read. The body is `bytes[start, end)`.
 */
export interface RelayMessageView {
  /** Command byte; `RelayCommand` or unknown. */
  readonly command: number;
  /** 0 for a message of the circuit itself. */
  readonly streamId: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/**
 * A cursor over the messages of relay cells: one for each hop and direction, reused for every cell, so that no object is
 * made for a message.
 *
 * ```ts
 * reader.reset(slab, index);
 * while (reader.next()) handle(reader.command, reader.streamId, reader.bytes, reader.start, reader.end);
 * ```
 *
 * A format that packs delivers several messages of a cell; one that fragments delivers a message with the cell that ends
 * it, out of a buffer of the reader. So a reader must see the cells of its hop in order, and each of them once.
 */
export interface RelayCellReader extends RelayMessageView {
  /** Takes up the decrypted cell at `index` of a slab of cell bodies. Its messages follow from `next`. */
  reset(slab: Buffer, index: number): void;

  /**
   * Moves to the next message; false if the cell has no more. The fields are good until the next call.
   *
   * @throws CellError `length` for a message longer than its cell, `stream-id` for a stream ID that its command cannot have
   */
  next(): boolean;
}

/** Fills `bytes[start, end)` with bytes that nobody can foretell: the padding of relay cells. tor-spec 6.1. */
export type PaddingSource = (bytes: Buffer, start: number, end: number) => void;

/**
 * How messages lie in the 509 bytes of a relay cell. The cells themselves lie in a slab: cell `index` begins at
 * `index * CELL_BODY_LEN`.
 */
export interface RelayCellFormat {
  /** For logs and for the choice of the cipher that goes with it. */
  readonly name: string;

  /** The most bytes that a DATA message in one cell carries. */
  readonly maxDataLength: number;

  /** A new cursor, for one hop and direction. */
  makeReader(): RelayCellReader;

  /**
   * Writes one message, alone in its cell, before encryption: the fields of the cipher are zero, and what is left of the
   * cell is four zeros and then bytes of `padding` (zeros without one). Copies `data[start, end)`, allocates nothing.
   *
   * @throws CellEncodeError if the data does not fit, or the stream ID is none that the command may have
   */
  writeMessage(
    slab: Buffer,
    index: number,
    command: number,
    streamId: number,
    data: Buffer,
    start: number,
    end: number,
    padding?: PaddingSource,
  ): void;
}
