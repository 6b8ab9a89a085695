import { cpuPerGigabyte, dialOrigin, formatTable, runTransfers, type TransferReport } from "../../network/index.ts";
import { cpuOf } from "../client/transfers.ts";
import { assertNoFailure } from "../tor-goodput.ts";
import { percentile } from "../tor-latency.ts";
import type { BenchedClient } from "./clients.ts";
import type { ConfluxBench } from "./network.ts";
import { describePair, ENDS, type PairCase, withBoth } from "./pairs.ts";
import { onTunnel } from "./tunnel.ts";

/** The ways of a stream, each measured alone. */
export const WAYS = ["down", "up"] as const;

export type Way = (typeof WAYS)[number];

/** What one stream over a tunnel costs and brings; medians. */
export interface TransferFigures extends PairCase {
  readonly way: Way;
  readonly bytesPerSecond: number;
  /** Processor seconds for each gigabyte. */
  readonly exitCpu: number;
  readonly clientCpu: number;
}

/** How much. */
export interface TransferOptions {
  /** In each round. */
  readonly bytes: number;
  /** The median counts. */
  readonly rounds: number;
  readonly onProgress: (text: string) => void;
}

/** Moves so many bytes in one stream. */
export const carry = async (
  { origin }: Pick<ConfluxBench, "origin">,
  client: BenchedClient,
  isolation: string,
  way: Way,
  size: number,
): Promise<TransferReport> => {
  const report = await runTransfers({
    dial: dialOrigin(client.socks(isolation), origin),
    count: 1,
    concurrency: 1,
    sizes: [size],
    directions: [way],
    verify: false,
    timeoutMs: 300_000,
  });
  assertNoFailure(report);
  return report;
};

/** Measures all pairs of ends: two legs and one in turn, over a tunnel of its own for each round. */
export const measureTransfers = async (
  bench: ConfluxBench,
  { bytes, rounds, onProgress }: TransferOptions,
): Promise<ReadonlyArray<TransferFigures>> => {
  const figures: Array<TransferFigures> = [];
  for (const ends of ENDS) {
    const exit = bench.pidOf(ends.exit);
    await withBoth(bench, ends, async (both) => {
      const one = (pair: PairCase, way: Way, name: string) =>
        onTunnel(bench, pair, name, async (isolation) => {
          // Opens the windows of the legs; not counted.
          await carry(bench, pair.client, isolation, way, bytes / 5);
          const [ofExit, [ofClient, report]] = await cpuOf(exit, () =>
            cpuOf(pair.client.pid, () => carry(bench, pair.client, isolation, way, bytes)),
          );
          return {
            bytesPerSecond: report.bytesPerSecond,
            exitCpu: cpuPerGigabyte(ofExit, report.bytes),
            clientCpu: cpuPerGigabyte(ofClient, report.bytes),
          };
        });
      for (const way of WAYS) {
        onProgress(`${ends.client} to ${ends.exit}: ${way}`);
        // A relay runs for weeks: what a just-in-time compiler does in its first minute is not what it costs.
        for (const pair of both) await one(pair, way, `${way}, warm-up`);
        const measured = both.map((pair) => ({ pair, results: [] as Array<Awaited<ReturnType<typeof one>>> }));
        for (let round = 0; round < rounds; round++) {
          for (const { pair, results } of measured) {
            onProgress(`${describePair(pair)}: ${way} ${round}`);
            results.push(await one(pair, way, `${way} ${round}`));
          }
        }
        for (const { pair, results } of measured) {
          const median = (of: keyof (typeof results)[number]): number =>
            percentile(
              results.map((result) => result[of]),
              0.5,
            );
          figures.push({
            ...pair,
            way,
            bytesPerSecond: median("bytesPerSecond"),
            exitCpu: median("exitCpu"),
            clientCpu: median("clientCpu"),
          });
        }
      }
    });
  }
  return figures;
};

/** As a table, one line for each pair, way and number of legs. */
export const formatTransfers = (figures: ReadonlyArray<TransferFigures>): string =>
  formatTable(
    ["client", "exit", "way", "legs", "MB/s", "exit: CPU s/GB", "client: CPU s/GB"],
    figures.map(({ ends, way, legs, bytesPerSecond, exitCpu, clientCpu }) => [
      ends.client,
      ends.exit,
      way,
      String(legs),
      (bytesPerSecond / 1e6).toFixed(1),
      exitCpu.toFixed(1),
      clientCpu.toFixed(1),
    ]),
  );
