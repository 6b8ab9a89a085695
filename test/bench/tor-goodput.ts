import type { Socket } from "node:net";
import { cpuPerGigabyte, type Direction, Meter, runTransfers, type TransferReport } from "../network/index.ts";
import { type BenchNetwork, fingerprints, type Position, pathThrough, type RelayUnderTest } from "./support.ts";

/** What carrying bytes cost. */
export interface GoodputResult {
  readonly bytes: number;
  readonly seconds: number;
  readonly bytesPerSecond: number;
  /** CPU s/GB of the relay under test. */
  readonly relayCpuPerGigabyte: number;
  /** CPU s/GB of each place on the way. */
  readonly cpuPerGigabyte: Readonly<Record<Position | "client" | "origin", number>>;
}

/** How to carry them. */
export interface GoodputOptions {
  /** @default 50_000_000 */
  readonly bytes?: number;
  /** @default "down" */
  readonly direction?: Direction;
  /** Streams at once, each with its part of the bytes. @default 1 */
  readonly streams?: number;
  /** Circuits that the streams are spread over, all on the same path. @default 1 */
  readonly circuits?: number;
  /** Put around the part that is measured, as a profiler is; the opening of circuits and of windows is not in it. */
  readonly around?: (work: () => Promise<TransferReport>) => Promise<TransferReport>;
}

/**
 * Moves `bytes` through the relay under test at `position`, without digests at the ends: over one circuit in one stream, or
 * more of both.
 */
export const measureGoodput = async (
  bench: BenchNetwork,
  relay: RelayUnderTest,
  position: Position,
  options: GoodputOptions = {},
): Promise<GoodputResult> => {
  const { bytes = 50_000_000, direction = "down", streams = 1, circuits = 1, around = (work) => work() } = options;
  const path = pathThrough(bench.network, relay, position);
  const circuitIds: Array<string> = [];
  for (let count = 0; count < circuits; count++) {
    circuitIds.push(await bench.client.control.buildCircuit(fingerprints(path)));
  }
  const dial = (index: number): Promise<Socket> =>
    bench.dialer.connect({ circuitId: circuitIds[index % circuits]! }, bench.origin.host, bench.origin.port);
  const run = (size: number): Promise<TransferReport> =>
    runTransfers({
      dial,
      count: streams,
      concurrency: streams,
      sizes: [Math.ceil(size / streams)],
      directions: [direction],
      verify: false,
      timeoutMs: 300_000,
    });
  // Opens the congestion windows and warms a just-in-time compiler; not counted.
  assertNoFailure(await run(bytes / 10));
  const meter = new Meter({
    guard: path.guard.pid,
    middle: path.middle.pid,
    exit: path.exit.pid,
    client: bench.client.pid,
    origin: bench.origin.pid,
  });
  const report = await around(() => run(bytes));
  const usage = meter.read();
  assertNoFailure(report);
  for (const circuitId of circuitIds) await bench.client.control.closeCircuit(circuitId);
  const cost = (name: keyof typeof usage): number => cpuPerGigabyte(usage[name].cpuSeconds, report.bytes);
  return {
    bytes: report.bytes,
    seconds: report.seconds,
    bytesPerSecond: report.bytesPerSecond,
    relayCpuPerGigabyte: cost(position),
    cpuPerGigabyte: {
      guard: cost("guard"),
      middle: cost("middle"),
      exit: cost("exit"),
      client: cost("client"),
      origin: cost("origin"),
    },
  };
};

/** Throws what a transfer failed by, if one did. */
export const assertNoFailure = (report: TransferReport): void => {
  const failure = report.failures[0];
  if (failure !== undefined) throw failure.error;
};
