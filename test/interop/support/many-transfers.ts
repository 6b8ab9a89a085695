import { assert } from "@effect/vitest";
import {
  describeFailures,
  Meter,
  type Origin,
  runTransfers,
  type SocksProxy,
  socksConnect,
} from "../../network/index.ts";

/** 33 sizes: each third of the plan has one of 20 MB, some of a megabyte, and many about the size of a cell and below. */
const SIZES: ReadonlyArray<number> = [
  20_000_000,
  5_000_000,
  ...new Array<number>(4).fill(1_000_000),
  ...new Array<number>(6).fill(100_000),
  ...[0, 1, 2, 497, 498, 499, 509, 996, 1_000, 4_096, 10_000],
  ...[0, 1, 13, 498, 1_494, 16_384, 31_744, 31_745, 50_000, 65_536],
];

/** Whom the transfers are about. */
interface Process {
  readonly pid: number;
  readonly whileRunning: <A>(work: Promise<A>) => Promise<A>;
}

/**
 * Asserts that 200 transfers of 0 B to 20 MB, both ways and 50 at a time, arrive byte for byte, and says what they cost `process`.
 *
 * @param socks the client's proxy; streams of different texts do not share a tunnel
 */
export const assertCarriesMany = async (
  process: Process,
  socks: (isolation: string) => SocksProxy,
  origin: Origin,
): Promise<void> => {
  const meter = new Meter({ allium: process.pid });
  const report = await process.whileRunning(
    runTransfers({
      dial: (index) => socksConnect(socks(`tunnel${index % 4}`), origin.host, origin.port),
      count: 200,
      concurrency: 50,
      sizes: SIZES,
      directions: ["down", "up", "both"],
    }),
  );
  console.log(
    `200 transfers, ${(report.bytes / 1e6).toFixed(0)} MB in ${report.seconds.toFixed(1)} s,`,
    `${(report.bytesPerSecond / 1e6).toFixed(1)} MB/s\n${meter.table(report.bytes)}`,
  );
  assert.strictEqual(describeFailures(report), "");
  assert.strictEqual(report.results.length, 200);
  assert.strictEqual(Math.max(...report.results.map(({ size }) => size)), 20_000_000);
};
