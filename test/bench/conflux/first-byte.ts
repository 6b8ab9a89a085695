import {
  formatRequest,
  formatTable,
  type LineSettings,
  SocketReader,
  socksConnect,
  writeAll,
} from "../../network/index.ts";
import { percentile } from "../tor-latency.ts";
import type { BenchedClient } from "./clients.ts";
import type { ConfluxBench } from "./network.ts";
import { describePair, legsOf, type PairCase } from "./pairs.ts";
import { onTunnel } from "./tunnel.ts";

/** The guards: the round trip to the second takes 100 ms more. */
const LINES: Readonly<Record<string, LineSettings>> = { relay0: { delayMs: 20 }, relay1: { delayMs: 70 } };

const [, FAR = ""] = Object.keys(LINES);

/** From the connection to the proxy until the first byte of an answer is there, in milliseconds. */
export interface FirstByteFigures extends PairCase {
  readonly median: number;
  readonly p95: number;
}

/** How often. */
export interface FirstByteOptions {
  /** Tunnels. */
  readonly rounds: number;
  /** On each. */
  readonly requests: number;
  readonly onProgress: (text: string) => void;
}

/** Asks over sets of a short and a long leg, and over the short one alone. */
export const measureFirstByte = async (
  bench: ConfluxBench,
  pairs: ReadonlyArray<PairCase>,
  { rounds, requests, onProgress }: FirstByteOptions,
): Promise<ReadonlyArray<FirstByteFigures>> => {
  // Before there are clients: a leg's round trip is first measured as it is linked.
  for (const [name, settings] of Object.entries(LINES)) await bench.network.line(name).set(settings);
  const figures: Array<FirstByteFigures> = [];
  for (const pair of pairs) {
    const client = await bench.start(pair.client, pair.exit, {
      conflux: pair.conflux,
      ...(pair.conflux ? {} : { without: FAR }),
    });
    const times: Array<number> = [];
    for (let round = 0; round < rounds; round++) {
      const name = `first byte ${round}`;
      onProgress(`${describePair(pair)}: ${name}`);
      await onTunnel(bench, client, { name, legs: legsOf(pair) }, async (isolation) => {
        for (let request = 0; request < requests; request++) times.push(await firstByte(bench, client, isolation));
      });
    }
    figures.push({ ...pair, median: percentile(times, 0.5), p95: percentile(times, 0.95) });
    await client.stop();
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
  const cells = ({ median, p95 }: FirstByteFigures): string => `${median.toFixed(1)} (${p95.toFixed(1)})`;
  const rows = figures.flatMap((both) => {
    const alone = figures.find(({ client, exit, conflux }) => client === both.client && exit === both.exit && !conflux);
    if (!both.conflux || alone === undefined) return [];
    return [[both.client, both.exit, cells(alone), cells(both), (both.median / alone.median).toFixed(2)]];
  });
  return formatTable(["client", "exit", "short leg alone, ms (p95)", "both legs, ms (p95)", "times"], rows);
};
