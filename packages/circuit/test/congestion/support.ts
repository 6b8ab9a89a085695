import { type CongestionParams, type CongestionPath, congestionParams } from "../../src/congestion/index.ts";

/** What holds where the consensus says nothing. */
export const defaults = (path: CongestionPath = "exit"): CongestionParams => congestionParams(() => undefined, path);

/** What holds where the consensus says this. */
export const consensus = (params: Readonly<Record<string, number>>, path: CongestionPath = "exit"): CongestionParams =>
  congestionParams((name) => params[name], path);

/** A tag that tells by its bytes which cell it belongs to. */
export const tagOf = (cell: number): Buffer => {
  const tag = Buffer.alloc(20, 0xa5);
  tag.writeUInt32BE(cell);
  return tag;
};

/** The problem of the typed error that `act` throws; undefined if it returns. Anything else that it throws gets through. */
export const problemOf = (act: () => unknown): string | undefined => {
  try {
    act();
  } catch (error) {
    if (error instanceof Error && "problem" in error && "_tag" in error) return String(error.problem);
    throw error;
  }
  return undefined;
};
