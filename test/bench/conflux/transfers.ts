import {
  cpuPerGigabyte,
  type Direction,
  dialOrigin,
  formatTable,
  runTransfers,
  type TransferReport,
} from "../../network/index.ts";
import { cpuOf } from "../client/transfers.ts";
import { assertNoFailure } from "../tor-goodput.ts";
import { percentile } from "../tor-latency.ts";
import type { BenchedClient } from "./clients.ts";
import type { ConfluxBench } from "./network.ts";
import { describePair, legsOf, type PairCase } from "./pairs.ts";
import { onTunnel } from "./tunnel.ts";

/** What one stream over it costs and brings; medians. */
export interface PairFigures extends PairCase {
  readonly direction: Direction;
  readonly bytesPerSecond: number;
  readonly exitCpu: number;
  readonly clientCpu: number;
}

/** How much. */
export interface PairOptions {
  readonly bytes: number;
  readonly rounds: number;
  readonly onProgress: (text: string) => void;
}

/** Moves so many bytes in one stream. */
export const carry = async (
  { origin }: Pick<ConfluxBench, "origin">,
  client: BenchedClient,
  isolation: string,
  direction: Direction,
  size: number,
): Promise<TransferReport> => {
  const report = await runTransfers({
    dial: dialOrigin(client.socks(isolation), origin),
    count: 1,
    concurrency: 1,
    sizes: [size],
    directions: [direction],
    verify: false,
    timeoutMs: 300_000,
  });
  assertNoFailure(report);
  return report;
};

/** Measures each pair, one after the other, over a tunnel of its own for each round. */
export const measurePairs = async (
  bench: ConfluxBench,
  pairs: ReadonlyArray<PairCase>,
  { bytes, rounds, onProgress }: PairOptions,
): Promise<ReadonlyArray<PairFigures>> => {
  const figures: Array<PairFigures> = [];
  for (const pair of pairs) {
    const client = await bench.start(pair.client, pair.exit, pair);
    const exit = bench.pidOf(pair.exit);
    for (const direction of ["down", "up"] as const) {
      const rates: Array<number> = [];
      const exitCpu: Array<number> = [];
      const clientCpu: Array<number> = [];
      for (let round = 0; round < rounds; round++) {
        const name = `${direction} ${round}`;
        onProgress(`${describePair(pair)}: ${name}`);
        await onTunnel(bench, client, { name, legs: legsOf(pair) }, async (isolation) => {
          // Opens the windows of the legs, and warms a just-in-time compiler; not counted.
          await carry(bench, client, isolation, direction, bytes / 5);
          const [ofExit, [ofClient, report]] = await cpuOf(exit, () =>
            cpuOf(client.pid, () => carry(bench, client, isolation, direction, bytes)),
          );
          rates.push(report.bytesPerSecond);
          exitCpu.push(cpuPerGigabyte(ofExit, report.bytes));
          clientCpu.push(cpuPerGigabyte(ofClient, report.bytes));
        });
      }
      figures.push({
        ...pair,
        direction,
        bytesPerSecond: percentile(rates, 0.5),
        exitCpu: percentile(exitCpu, 0.5),
        clientCpu: percentile(clientCpu, 0.5),
      });
    }
    await client.stop();
  }
  return figures;
};

/** As a table, one line for each pair and direction. */
export const formatPairs = (figures: ReadonlyArray<PairFigures>): string =>
  formatTable(
    ["client", "exit", "legs", "way", "MB/s", "exit: CPU s/GB", "client: CPU s/GB"],
    figures.map((figure) => [
      figure.client,
      figure.exit,
      String(legsOf(figure)),
      figure.direction,
      (figure.bytesPerSecond / 1e6).toFixed(1),
      figure.exitCpu.toFixed(1),
      figure.clientCpu.toFixed(1),
    ]),
  );
