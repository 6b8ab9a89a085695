import {
  formatRequest,
  formatTable,
  type LineSettings,
  pause,
  SocketReader,
  socksConnect,
  writeAll,
} from "../../network/index.ts";
import { percentile } from "../tor-latency.ts";
import type { BenchedClient } from "./clients.ts";
import type { ConfluxBench } from "./network.ts";
import { describePair, ENDS, type Ends, withBoth } from "./pairs.ts";
import { onTunnel } from "./tunnel.ts";

/** The guards: the round trip to the second takes 100 ms more. */
const LINES: Readonly<Record<string, LineSettings>> = { relay0: { delayMs: 20 }, relay1: { delayMs: 70 } };

const [, FAR = ""] = Object.keys(LINES);

/**
 * Between two requests: one right behind another waits 40 ms or not, by chance, as if Nagle's algorithm held its BEGIN until the END of the
 * stream before is acknowledged.
 */
const PAUSE_MS = 200;

/** From the connection to the proxy until the first byte of an answer is there, in milliseconds, of each request. */
export interface FirstByteFigures {
  readonly ends: Ends;
  /** Over a set of a short and a long leg. */
  readonly both: ReadonlyArray<number>;
  /** Over the short leg alone. */
  readonly alone: ReadonlyArray<number>;
}

/** How often. */
export interface FirstByteOptions {
  /** Tunnels. */
  readonly rounds: number;
  /** On each. */
  readonly requests: number;
  readonly onProgress: (text: string) => void;
}

/** Asks over sets of a short and a long leg, and over the short one alone, in turn. */
export const measureFirstByte = async (
  bench: ConfluxBench,
  { rounds, requests, onProgress }: FirstByteOptions,
): Promise<ReadonlyArray<FirstByteFigures>> => {
  // Before there are clients: a leg's round trip is first measured as it is linked.
  for (const [name, settings] of Object.entries(LINES)) await bench.network.line(name).set(settings);
  const figures: Array<FirstByteFigures> = [];
  for (const ends of ENDS) {
    const times = { 1: [] as Array<number>, 2: [] as Array<number> };
    const ask = async (pairs: Parameters<Parameters<typeof withBoth>[2]>[0]): Promise<void> => {
      for (let round = 0; round < rounds; round++) {
        for (const pair of pairs) {
          onProgress(`${describePair(pair)}: first byte, ${round}`);
          await onTunnel(bench, pair, `first byte ${round}`, async (isolation) => {
            for (let request = 0; request < requests; request++) {
              times[pair.legs].push(await firstByte(bench, pair.client, isolation));
              await pause(PAUSE_MS);
            }
          });
        }
      }
    };
    await withBoth(bench, ends, ask, FAR);
    figures.push({ ends, both: times[2], alone: times[1] });
  }
  return figures;
};

const firstByte = async ({ origin }: ConfluxBench, client: BenchedClient, isolation: string): Promise<number> => {
  const begun = performance.now();
  const socket = await socksConnect(client.socks(isolation), origin.host, origin.port);
  try {
    const reader = new SocketReader(socket);
    await writeAll(socket, formatRequest({ mode: "transfer", down: 1 }));
    await reader.exactly(1);
    return performance.now() - begun;
  } finally {
    socket.destroy();
  }
};

/** As a table, one line for each pair of ends. */
export const formatFirstByte = (figures: ReadonlyArray<FirstByteFigures>): string => {
  const cells = (times: ReadonlyArray<number>): string =>
    `${percentile(times, 0.5).toFixed(1)} (${percentile(times, 0.95).toFixed(1)})`;
  return formatTable(
    ["client", "exit", "short leg alone, ms (p95)", "both legs, ms (p95)", "times"],
    figures.map(({ ends, both, alone }) => [
      ends.client,
      ends.exit,
      cells(alone),
      cells(both),
      (percentile(both, 0.5) / percentile(alone, 0.5)).toFixed(2),
    ]),
  );
};
