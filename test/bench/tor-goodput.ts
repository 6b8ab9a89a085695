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

/**
 * Moves `bytes` over one circuit with the relay under test at `position`, in one stream (or several at once), without
 * digests at the ends.
 */
export const measureGoodput = async (
  bench: BenchNetwork,
  relay: RelayUnderTest,
  position: Position,
  options: { readonly bytes?: number; readonly direction?: Direction; readonly streams?: number } = {},
): Promise<GoodputResult> => {
  const { bytes = 50_000_000, direction = "down", streams = 1 } = options;
  const path = pathThrough(bench.network, relay, position);
  const circuitId = await bench.client.control.buildCircuit(fingerprints(path));
  const dial = (): Promise<Socket> => bench.dialer.connect({ circuitId }, bench.origin.host, bench.origin.port);
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
  // Opens the congestion window and warms a just-in-time compiler; not counted.
  assertNoFailure(await run(bytes / 10));
  const meter = new Meter({
    guard: path.guard.pid,
    middle: path.middle.pid,
    exit: path.exit.pid,
    client: bench.client.pid,
    origin: bench.origin.pid,
  });
  const report = await run(bytes);
  const usage = meter.read();
  assertNoFailure(report);
  await bench.client.control.closeCircuit(circuitId);
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

const assertNoFailure = (report: TransferReport): void => {
  const failure = report.failures[0];
  if (failure !== undefined) throw failure.error;
};
