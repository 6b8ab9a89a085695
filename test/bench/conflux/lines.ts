import { formatTable, type LineSettings, processUsage, type SlowLine } from "../../network/index.ts";
import { percentile } from "../tor-latency.ts";
import type { ConfluxBench } from "./network.ts";
import { describePair, ENDS, type PairCase, withBoth } from "./pairs.ts";
import { carry, type TransferOptions, WAYS, type Way } from "./transfers.ts";
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
  readonly way: Way;
  readonly bytesPerSecond: number;
  /** Of what came over the lines, the part that came over the longer one. */
  readonly far: number;
  /** Of one processor, the most that a line's process took in any round. */
  readonly lineCpu: number;
}

/** Measures all pairs of ends over the lines: two legs, and one by the nearer guard, in turn, over a tunnel of its own for each round. */
export const measureLines = async (
  bench: ConfluxBench,
  { bytes, rounds, onProgress }: TransferOptions,
): Promise<ReadonlyArray<LineFigures>> => {
  for (const [name, settings] of Object.entries(LINES)) await bench.network.line(name).set(settings);
  const figures: Array<LineFigures> = [];
  for (const ends of ENDS) {
    const measure = async (both: ReadonlyArray<PairCase>): Promise<void> => {
      for (const way of WAYS) {
        const measured = both.map((pair) => ({ pair, results: [] as Array<Carried> }));
        for (let round = 0; round < rounds; round++) {
          for (const { pair, results } of measured) {
            const name = `${way} ${round}`;
            onProgress(`${describePair(pair)}, over lines: ${name}`);
            results.push(
              await onTunnel(bench, pair, name, (isolation) => carryOverLines(bench, pair, isolation, way, bytes)),
            );
          }
        }
        for (const { pair, results } of measured) figures.push({ ...pair, way, ...middleOf(results) });
      }
    };
    await withBoth(bench, ends, measure, FAR);
  }
  return figures;
};

type Carried = Pick<LineFigures, "bytesPerSecond" | "far" | "lineCpu">;

const middleOf = (results: ReadonlyArray<Carried>): Carried => {
  const median = (values: ReadonlyArray<number>): number => percentile(values, 0.5);
  return {
    bytesPerSecond: median(results.map(({ bytesPerSecond }) => bytesPerSecond)),
    far: median(results.map(({ far }) => far)),
    lineCpu: Math.max(...results.map(({ lineCpu }) => lineCpu)),
  };
};

const carryOverLines = async (
  bench: ConfluxBench,
  { client, legs }: PairCase,
  isolation: string,
  way: Way,
  all: number,
): Promise<Carried> => {
  // As long with one leg as with two.
  const bytes = (all * legs) / 2;
  // Opens the windows of the legs; not counted.
  await carry(bench, client, isolation, way, bytes / 3);
  const before = await lineUse(bench, way);
  const report = await carry(bench, client, isolation, way, bytes);
  const after = await lineUse(bench, way);
  const [near, far] = difference(before.bytes, after.bytes);
  if (near + far < report.bytes) throw new Error(`${isolation}: not all bytes came over the lines`);
  const cpuSeconds = Math.max(...difference(before.cpuSeconds, after.cpuSeconds));
  return {
    bytesPerSecond: report.bytesPerSecond,
    far: far / (near + far),
    lineCpu: cpuSeconds / report.seconds,
  };
};

const difference = ([near, far]: Both, [laterNear, laterFar]: Both): Both => [laterNear - near, laterFar - far];

const lineUse = async ({ network }: ConfluxBench, way: Way): Promise<LineUse> => {
  const [near, far] = [network.line(NEAR), network.line(FAR)];
  const bytesOf = async (line: SlowLine): Promise<number> => {
    const { toRelay, fromRelay } = await line.carried();
    return way === "up" ? toRelay : fromRelay;
  };
  const cpuOf = ({ pid }: SlowLine): number => processUsage(pid)?.cpuSeconds ?? 0;
  return { bytes: [await bytesOf(near), await bytesOf(far)], cpuSeconds: [cpuOf(near), cpuOf(far)] };
};

/** As a table, one line for each pair and direction: what the lines of its legs could carry is the whole. */
export const formatLines = (figures: ReadonlyArray<LineFigures>): string =>
  formatTable(
    ["client", "exit", "way", "legs", "MB/s", "of the lines", "over the longer one", "line: CPU"],
    figures.map(({ ends, way, legs, bytesPerSecond, far, lineCpu }) => [
      ends.client,
      ends.exit,
      way,
      String(legs),
      (bytesPerSecond / 1e6).toFixed(2),
      percent(bytesPerSecond / (legs * BYTES_PER_SECOND)),
      percent(far),
      percent(lineCpu),
    ]),
  );

const percent = (part: number): string => `${(part * 100).toFixed(0)} %`;
