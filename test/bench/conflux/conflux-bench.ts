/** The pieces of `npm run bench -- --conflux`, each with its table. */
import { formatNoise, NoiseMeter } from "../noise.ts";
import { formatFirstByte, measureFirstByte } from "./first-byte.ts";
import { formatLines, LINES, measureLines } from "./lines.ts";
import { formatMemory, measureMemory } from "./memory.ts";
import { startConfluxBench } from "./network.ts";
import { PAIRS } from "./pairs.ts";
import { formatPairs, measurePairs } from "./transfers.ts";

/** What can be measured of conflux. */
export const CONFLUX_PIECES = ["goodput", "lines", "first-byte", "memory"] as const;

export type ConfluxPiece = (typeof CONFLUX_PIECES)[number];

/** How much of it. */
export interface ConfluxBenchSizes {
  /** In each direction and round; half of it over lines. */
  readonly bytes: number;
  readonly rounds: number;
}

/** Idle sets at an exit. */
const SETS = 1_000;

/** One of requests after another, on each tunnel. */
const REQUESTS = 25;

/** Measures `tor` and Allium at either end, with two legs and with one. */
export const benchConflux = async (
  pieces: ReadonlySet<ConfluxPiece>,
  { bytes, rounds }: ConfluxBenchSizes,
  print: (text: string) => void,
  onProgress: (text: string) => void,
): Promise<void> => {
  const noise = new NoiseMeter();
  const table = (text: string): void => {
    print(`\n${text}`);
    noise.sample();
  };
  noise.sample();
  if (pieces.has("goodput") || pieces.has("memory")) {
    await using bench = await startConfluxBench({ onProgress });
    if (pieces.has("goodput")) {
      table(formatPairs(await measurePairs(bench, PAIRS, { bytes, rounds, onProgress })));
    }
    if (pieces.has("memory")) table(formatMemory(await measureMemory(bench, SETS, onProgress)));
  }
  if (pieces.has("lines") || pieces.has("first-byte")) {
    await using bench = await startConfluxBench({ lines: LINES, onProgress });
    if (pieces.has("first-byte")) {
      table(formatFirstByte(await measureFirstByte(bench, PAIRS, { rounds, requests: REQUESTS, onProgress })));
    }
    if (pieces.has("lines")) {
      table(formatLines(await measureLines(bench, PAIRS, { bytes: bytes / 2, rounds, onProgress })));
    }
  }
  print(`\nBetween these tables ${formatNoise(noise.read())}.`);
};
