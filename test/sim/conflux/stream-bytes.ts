import { Random } from "../../support/fuzz.ts";

/** Most bytes that an application says, and the streams among which no two say the same. */
export const MAX_BYTES = 120_000;
const STREAMS = 64;

/** Never repeats itself, so that bytes that are lost, doubled, or another stream's are seen. */
const NOISE = new Random(329).bytes(MAX_BYTES + 2 * STREAMS * 997);

/** What one end of a stream says, from its first byte on. */
export const bytesOfStream = (stream: number, byInitiator: boolean): Buffer => {
  const at = (2 * (stream % STREAMS) + (byInitiator ? 1 : 0)) * 997;
  return NOISE.subarray(at, at + MAX_BYTES);
};
