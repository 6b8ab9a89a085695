/** The pieces of `npm run bench -- --conflux`, each with its table. */
import { formatNoise, NoiseMeter } from "../noise.ts";
import { formatProfiles } from "../profile.ts";
import { formatFirstByte, measureFirstByte } from "./first-byte.ts";
import { formatLines, LINES, measureLines } from "./lines.ts";
import { formatMemory, measureMemory } from "./memory.ts";
import { startConfluxBench } from "./network.ts";
import { profileConflux } from "./profile.ts";
import { formatTransfers, measureTransfers } from "./transfers.ts";

/** What can be measured of conflux. */
export const CONFLUX_PIECES = ["goodput", "lines", "first-byte", "memory"] as const;

export type ConfluxPiece = (typeof CONFLUX_PIECES)[number];

/** How much of it. */
export interface ConfluxBenchSizes {
  /** In each direction and round; half of it over the line of a single leg. */
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
    // First, as memory that a daemon has let go of would be used again.
    if (pieces.has("memory")) table(formatMemory(await measureMemory(bench, SETS, onProgress)));
    if (pieces.has("goodput")) {
      table(formatTransfers(await measureTransfers(bench, { bytes, rounds, onProgress })));
    }
  }
  if (pieces.has("lines") || pieces.has("first-byte")) {
    await using bench = await startConfluxBench({ lines: LINES, onProgress });
    if (pieces.has("first-byte")) {
      table(formatFirstByte(await measureFirstByte(bench, { rounds, requests: REQUESTS, onProgress })));
    }
    if (pieces.has("lines")) {
      table(formatLines(await measureLines(bench, { bytes, rounds, onProgress })));
    }
  }
  print(`\nBetween these tables ${formatNoise(noise.read())}.`);
  if (pieces.has("goodput") || pieces.has("lines"))
    print(`Transfers: the median of ${rounds} times ${bytes / 1e6} MB.`);
};

/** Says where the time of Allium's exit goes, with two legs and with one. */
export const benchConfluxProfile = async (
  options: Parameters<typeof profileConflux>[0],
  print: (text: string) => void,
): Promise<void> => print(`\n${formatProfiles(await profileConflux(options), false)}`);
