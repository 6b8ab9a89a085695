import {
  cpuPerGigabyte,
  type Direction,
  dialOrigin,
  formatTable,
  runTransfers,
  type TransferReport,
} from "../../network/index.ts";
import type { Around } from "../profile.ts";
import { threadUsage, usedBetween } from "../thread-usage.ts";
import { assertNoFailure } from "../tor-goodput.ts";
import { percentile } from "../tor-latency.ts";
import type { ClientBench, ExitKind } from "./network.ts";
import type { ClientUnderTest } from "./under-test.ts";

/** What is carried. */
export interface TransferCase {
  readonly exit: ExitKind;
  /** At once, all on one circuit. */
  readonly streams: number;
}

/** What carrying bytes one way cost a client. */
interface Carried {
  readonly bytesPerSecond: number;
  /** Of the client's process, user and system together. */
  readonly cpuPerGigabyte: number;
}

/** The figures of one client in one case. */
export interface TransferFigures extends TransferCase {
  readonly client: string;
  readonly down: Carried;
  readonly up: Carried;
}

/** How much. */
export interface TransferOptions {
  /** In each direction and round. */
  readonly bytes: number;
  /** The median counts. */
  readonly rounds: number;
  readonly onProgress: (text: string) => void;
}

/** The processor time that a process uses while `work` lasts, in seconds, and what the work gives. */
export const cpuOf = async <A>(pid: number, work: () => Promise<A>): Promise<readonly [number, A]> => {
  const before = threadUsage(pid);
  const result = await work();
  const { main, others } = usedBetween(before, threadUsage(pid));
  return [main + others, result];
};

/**
 * Moves bytes over a circuit of their own, without digests at the ends. What opens the circuit and its window is not in the part
 * that counts.
 *
 * @param circuit one name, one circuit
 */
export const carryBytes = async (
  { origin }: ClientBench,
  client: ClientUnderTest,
  carried: {
    readonly bytes: number;
    readonly streams: number;
    readonly direction: Direction;
    readonly circuit: string;
  },
  around: Around = (work) => work(),
): Promise<TransferReport> => {
  const { bytes, streams, direction, circuit } = carried;
  const run = async (size: number, count: number): Promise<TransferReport> => {
    const report = await runTransfers({
      dial: dialOrigin(client.socks(circuit), origin),
      count,
      concurrency: count,
      sizes: [Math.ceil(size / count)],
      directions: [direction],
      verify: false,
      timeoutMs: 300_000,
    });
    assertNoFailure(report);
    return report;
  };
  await run(1_000, 1);
  await run(bytes / 10, streams);
  return await around(() => run(bytes, streams));
};

/** Measures the clients in each case, in turn, so that all have the same machine. Each round is on a circuit of its own. */
export const measureTransfers = async (
  bench: ClientBench,
  cases: ReadonlyArray<TransferCase>,
  { bytes, rounds, onProgress }: TransferOptions,
): Promise<ReadonlyArray<TransferFigures>> => {
  const figures: Array<TransferFigures> = [];
  for (const exit of ["tor", "Allium"] as const) {
    const ofExit = cases.filter((one) => one.exit === exit);
    if (ofExit.length === 0) continue;
    const clients = await bench.clients("transfers", exit);
    const carry = async (client: ClientUnderTest, streams: number, direction: Direction, circuit: string) => {
      onProgress(`${client.name}: ${streams} ${direction} through ${exit}'s exit`);
      let cpuSeconds = 0;
      const report = await carryBytes(bench, client, { bytes, streams, direction, circuit }, async (work) => {
        const [used, result] = await cpuOf(client.pid, work);
        cpuSeconds = used;
        return result;
      });
      return {
        bytesPerSecond: report.bytesPerSecond,
        cpuPerGigabyte: cpuPerGigabyte(cpuSeconds, report.bytes),
      };
    };
    // A proxy runs for days: what a just-in-time compiler does in its first minute is not what it costs.
    for (const client of clients) {
      for (const direction of ["down", "up"] as const) await carry(client, 1, direction, "warm-up");
    }
    for (const { streams } of ofExit) {
      const results = clients.map((client) => ({ client, down: [] as Array<Carried>, up: [] as Array<Carried> }));
      for (let round = 0; round < rounds; round++) {
        for (const direction of ["down", "up"] as const) {
          for (const { client, [direction]: measured } of results) {
            measured.push(await carry(client, streams, direction, `${streams} ${direction} ${round}`));
          }
        }
      }
      for (const { client, down, up } of results) {
        figures.push({ client: client.name, exit, streams, down: medianOf(down), up: medianOf(up) });
      }
    }
    for (const client of clients) await client.stop();
  }
  return figures;
};

/** The medians of the costs and of the speeds. */
const medianOf = (results: ReadonlyArray<Carried>): Carried => ({
  bytesPerSecond: percentile(
    results.map((one) => one.bytesPerSecond),
    0.5,
  ),
  cpuPerGigabyte: percentile(
    results.map((one) => one.cpuPerGigabyte),
    0.5,
  ),
});

/** The figures as a table in Markdown. */
export const formatTransfers = (figures: ReadonlyArray<TransferFigures>): string =>
  formatTable(
    ["client", "exit", "streams", "down MB/s", "CPU s/GB", "up MB/s", "CPU s/GB"],
    figures.map(({ client, exit, streams, down, up }) => [
      client,
      exit,
      String(streams),
      ...[down, up].flatMap((one) => [(one.bytesPerSecond / 1e6).toFixed(1), one.cpuPerGigabyte.toFixed(1)]),
    ]),
  );
