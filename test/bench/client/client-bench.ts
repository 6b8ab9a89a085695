/** The pieces of `npm run bench -- --client`, each with its table. */
import { formatNoise, NoiseMeter } from "../noise.ts";
import { formatProfiles } from "../profile.ts";
import { formatBootstrap, measureBootstrap } from "./bootstrap.ts";
import { formatCircuits, measureClientCircuits } from "./circuits.ts";
import { formatMemory, measureMemory } from "./memory.ts";
import { type ClientBench, startClientBench } from "./network.ts";
import { profileClient } from "./profile.ts";
import { formatRequests, measureRequests } from "./requests.ts";
import { formatTransfers, measureTransfers, type TransferCase } from "./transfers.ts";

/** What can be measured of clients. */
export const CLIENT_PIECES = ["cpu", "goodput", "bootstrap", "memory", "circuits", "requests"] as const;

export type ClientPiece = (typeof CLIENT_PIECES)[number];

/** How much of it. */
export interface ClientBenchSizes {
  /** In each direction and round. */
  readonly bytes: number;
  readonly rounds: number;
  /** Circuits in the first of the rounds. */
  readonly circuits: number;
  /** Cold starts, and as many warm ones. */
  readonly starts: number;
}

/** Circuits that are open while memory is looked at. */
const OPEN_CIRCUITS = 10;

/** One of requests after another; four times as many at once. */
const REQUESTS = 100;

/** `goodput` is of one stream, through both kinds of exit; `cpu` of more streams too, through `tor`'s. */
const casesOf = (pieces: ReadonlySet<ClientPiece>): ReadonlyArray<TransferCase> => [
  { exit: "tor", streams: 1 },
  ...(pieces.has("cpu") ? [{ exit: "tor", streams: 10 } as const] : []),
  { exit: "Allium", streams: 1 },
];

/** Measures Allium's client beside `tor`'s in one network. */
export const benchClient = async (
  pieces: ReadonlySet<ClientPiece>,
  { bytes, rounds, circuits, starts }: ClientBenchSizes,
  print: (text: string) => void,
  onProgress: (text: string) => void,
): Promise<void> => {
  const transfers = pieces.has("cpu") || pieces.has("goodput");
  await using bench: ClientBench = await startClientBench({ alliumExit: transfers, onProgress });
  const noise = new NoiseMeter();
  const table = (text: string): void => {
    print(`\n${text}`);
    noise.sample();
  };
  noise.sample();
  if (pieces.has("memory")) {
    table(formatMemory(await measureMemory(bench, OPEN_CIRCUITS, onProgress), OPEN_CIRCUITS));
  }
  if (pieces.has("bootstrap")) {
    table(formatBootstrap(await measureBootstrap(bench, starts, onProgress)));
  }
  if (transfers) {
    table(formatTransfers(await measureTransfers(bench, casesOf(pieces), { bytes, rounds, onProgress })));
  }
  if (pieces.has("circuits")) {
    table(formatCircuits(await measureClientCircuits(bench, { count: circuits, onProgress })));
  }
  if (pieces.has("requests")) {
    table(formatRequests(await measureRequests(bench, REQUESTS, onProgress)));
  }
  print(`\nBetween these tables ${formatNoise(noise.read())}.`);
  if (transfers) print(`Transfers: the median of ${rounds} times ${bytes / 1e6} MB each way.`);
};

/** Says where the time of Allium's client goes. */
export const benchClientProfile = async (
  options: Parameters<typeof profileClient>[0],
  print: (text: string) => void,
): Promise<void> => {
  const { cells, circuits } = await profileClient(options);
  print(`\n${formatProfiles(cells, options.perf)}`);
  print(`\n${formatProfiles(circuits, options.perf, "circuit")}`);
};
