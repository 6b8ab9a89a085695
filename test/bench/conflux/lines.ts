import { type Direction, formatTable, type LineSettings, processUsage, type SlowLine } from "../../network/index.ts";
import { percentile } from "../tor-latency.ts";
import type { BenchedClient } from "./clients.ts";
import type { ConfluxBench } from "./network.ts";
import { describePair, legsOf, type PairCase } from "./pairs.ts";
import { carry, type PairOptions } from "./transfers.ts";
import { onTunnel } from "./tunnel.ts";

/** 40 Mbit/s, each way. */
const BYTES_PER_SECOND = 5_000_000;

/** The guards, and how far away they are. */
export const LINES: Readonly<Record<string, LineSettings>> = {
  relay0: { delayMs: 20, bytesPerSecond: BYTES_PER_SECOND },
  relay1: { delayMs: 30, bytesPerSecond: BYTES_PER_SECOND },
};

const [NEAR = "", FAR = ""] = Object.keys(LINES);

type Both = readonly [near: number, far: number];

/** What the lines have done so far, the nearer one first. */
interface LineUse {
  /** Bytes in the direction that counts. */
  readonly bytes: Both;
  /** Of their processes. */
  readonly cpuSeconds: Both;
}

/** What one stream brings where lines are the limit; medians. */
export interface LineFigures extends PairCase {
  readonly direction: Direction;
  readonly bytesPerSecond: number;
  /** Of what came over the lines, the part that came over the longer one. */
  readonly far: number;
  /** Of one processor, the most that a line's process took in any round. */
  readonly lineCpu: number;
}

/** Measures each pair over the lines, one after the other, over a tunnel of its own for each round; a single leg is the nearer guard's. */
export const measureLines = async (
  bench: ConfluxBench,
  pairs: ReadonlyArray<PairCase>,
  options: PairOptions,
): Promise<ReadonlyArray<LineFigures>> => {
  for (const [name, settings] of Object.entries(LINES)) await bench.network.line(name).set(settings);
  const figures: Array<LineFigures> = [];
  for (const pair of pairs) {
    const client = await bench.start(pair.client, pair.exit, {
      conflux: pair.conflux,
      ...(pair.conflux ? {} : { without: FAR }),
    });
    for (const direction of ["down", "up"] as const)
      figures.push(await measurePair(bench, client, pair, direction, options));
    await client.stop();
  }
  return figures;
};

const measurePair = async (
  bench: ConfluxBench,
  client: BenchedClient,
  pair: PairCase,
  direction: "down" | "up",
  { bytes, rounds, onProgress }: PairOptions,
): Promise<LineFigures> => {
  const rates: Array<number> = [];
  const far: Array<number> = [];
  let lineCpu = 0;
  for (let round = 0; round < rounds; round++) {
    const name = `${direction} ${round}`;
    onProgress(`${describePair(pair)}, over lines: ${name}`);
    await onTunnel(bench, client, { name, legs: legsOf(pair) }, async (isolation) => {
      // Opens the windows of the legs; not counted.
      await carry(bench, client, isolation, direction, bytes / 4);
      const before = await lineUse(bench, direction);
      const report = await carry(bench, client, isolation, direction, bytes);
      const after = await lineUse(bench, direction);
      const [overNear, overFar] = difference(before.bytes, after.bytes);
      if (overNear + overFar < report.bytes) throw new Error(`${name}: not all bytes came over the lines`);
      rates.push(report.bytesPerSecond);
      far.push(overFar / (overNear + overFar));
      lineCpu = Math.max(
        lineCpu,
        ...difference(before.cpuSeconds, after.cpuSeconds).map((cpu) => cpu / report.seconds),
      );
    });
  }
  return {
    ...pair,
    direction,
    bytesPerSecond: percentile(rates, 0.5),
    far: percentile(far, 0.5),
    lineCpu,
  };
};

const difference = ([near, far]: Both, [laterNear, laterFar]: Both): Both => [laterNear - near, laterFar - far];

const lineUse = async ({ network }: ConfluxBench, direction: "down" | "up"): Promise<LineUse> => {
  const [near, far] = [network.line(NEAR), network.line(FAR)];
  const bytesOf = async (line: SlowLine): Promise<number> => {
    const { toRelay, fromRelay } = await line.carried();
    return direction === "up" ? toRelay : fromRelay;
  };
  const cpuOf = ({ pid }: SlowLine): number => processUsage(pid)?.cpuSeconds ?? 0;
  return { bytes: [await bytesOf(near), await bytesOf(far)], cpuSeconds: [cpuOf(near), cpuOf(far)] };
};

/** As a table, one line for each pair and direction: what the lines of its legs could carry is the whole. */
export const formatLines = (figures: ReadonlyArray<LineFigures>): string =>
  formatTable(
    ["client", "exit", "legs", "way", "MB/s", "of the lines", "over the longer one", "line: CPU"],
    figures.map((figure) => [
      figure.client,
      figure.exit,
      String(legsOf(figure)),
      figure.direction,
      (figure.bytesPerSecond / 1e6).toFixed(2),
      percent(figure.bytesPerSecond / (legsOf(figure) * BYTES_PER_SECOND)),
      percent(figure.far),
      percent(figure.lineCpu),
    ]),
  );

const percent = (part: number): string => `${(part * 100).toFixed(0)} %`;
