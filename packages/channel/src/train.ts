import { CELL_BODY_LEN } from "@allium/cell";

/**
 * A non-empty run of cells of one circuit that all have the same command. It owns its bytes: the payloads lie back to
 * back in `slab`, 509 bytes each, without cell headers, so that one call of the platform's cipher covers them all.
 */
export interface Train {
  readonly command: number;
  readonly count: number;
  /** Exactly `count * 509` bytes. */
  readonly slab: Buffer;
}

/** Most cells in one train. With 1 everything behaves the same, only slower. */
export const DEFAULT_MAX_TRAIN = 32;

/** Bytes that `count` payloads take in a slab. */
export const slabBytes = (count: number): number => count * CELL_BODY_LEN;
