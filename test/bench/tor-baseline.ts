/**
 * What a relay costs and carries at each place of a path, measured the same way for a `tor` daemon and for Allium's relay.
 * `npm run bench` calls these functions; run by itself this file measures `tor` alone:
 *
 *     node test/bench/tor-baseline.ts
 */
import { formatTable } from "../network/index.ts";
import { type BenchNetwork, POSITIONS, type Position, type RelayUnderTest, startBenchNetwork } from "./support.ts";
import { type CircuitsResult, measureCircuits } from "./tor-circuits.ts";
import { type GoodputResult, measureGoodput } from "./tor-goodput.ts";
import { type LatencyResult, measureLatency } from "./tor-latency.ts";

/** All figures of one relay at one position. */
export interface RelayFigures {
  readonly relay: string;
  readonly position: Position;
  readonly down: GoodputResult;
  readonly up: GoodputResult;
  readonly latency: LatencyResult;
  readonly circuits: CircuitsResult;
}

/** How much to measure. */
export interface MeasureOptions {
  /** @default all three */
  readonly positions?: ReadonlyArray<Position>;
  /** Bytes in each direction. @default 50_000_000 */
  readonly bytes?: number;
  /** @default 2000 */
  readonly circuits?: number;
  readonly onProgress?: (text: string) => void;
}

/** Measures one relay at each position. It must be in the client's consensus. */
export const measureRelay = async (
  bench: BenchNetwork,
  relay: RelayUnderTest,
  options: MeasureOptions = {},
): Promise<ReadonlyArray<RelayFigures>> => {
  const { positions = POSITIONS, bytes = 50_000_000, circuits = 2000, onProgress = () => {} } = options;
  const figures: Array<RelayFigures> = [];
  for (const position of positions) {
    onProgress(`${relay.nickname} as ${position}: circuits`);
    const circuitFigures = await measureCircuits(bench, relay, position, { count: circuits });
    onProgress(`${relay.nickname} as ${position}: latency`);
    const latency = await measureLatency(bench, relay, position);
    onProgress(`${relay.nickname} as ${position}: download`);
    const down = await measureGoodput(bench, relay, position, { bytes, direction: "down" });
    onProgress(`${relay.nickname} as ${position}: upload`);
    const up = await measureGoodput(bench, relay, position, { bytes, direction: "up" });
    figures.push({ relay: relay.nickname, position, down, up, latency, circuits: circuitFigures });
  }
  return figures;
};

/** The figures as a table in Markdown, a row for each relay and position. */
export const formatFigures = (figures: ReadonlyArray<RelayFigures>): string =>
  formatTable(
    [
      "relay",
      "down MB/s",
      "CPU s/GB",
      "up MB/s",
      "CPU s/GB",
      "echo ms (p95)",
      "circuits/s (failed)",
      "CPU µs/circuit",
      "KiB/idle circuit",
    ],
    figures.map(({ relay, position, down, up, latency, circuits }) => [
      `${relay} as ${position}`,
      (down.bytesPerSecond / 1e6).toFixed(1),
      down.relayCpuPerGigabyte.toFixed(1),
      (up.bytesPerSecond / 1e6).toFixed(1),
      up.relayCpuPerGigabyte.toFixed(1),
      `${(latency.median * 1e3).toFixed(2)} (${(latency.p95 * 1e3).toFixed(2)})`,
      `${circuits.builtPerSecond.toFixed(0)} (${circuits.failed})`,
      (circuits.relayCpuPerCircuit * 1e6).toFixed(0),
      (circuits.relayMemoryPerCircuit / 1024).toFixed(1),
    ]),
  );

/** Measures `tor` at each position, each in a daemon that was idle before, so that memory counts. */
export const measureTor = async (
  bench: BenchNetwork,
  options: MeasureOptions = {},
): Promise<ReadonlyArray<RelayFigures>> => {
  const [guard, middle] = bench.network.relays.slice(-2);
  const exit = bench.network.exits.at(-1);
  const figures: Array<RelayFigures> = [];
  for (const [relay, position] of [
    [guard, "guard"],
    [middle, "middle"],
    [exit, "exit"],
  ] as const) {
    if (relay === undefined || options.positions?.includes(position) === false) continue;
    const one = { nickname: "tor", fingerprint: relay.fingerprint, pid: relay.pid };
    figures.push(...(await measureRelay(bench, one, { ...options, positions: [position] })));
  }
  return figures;
};

if (import.meta.main) {
  await using bench = await startBenchNetwork({
    relays: 4,
    onProgress: ({ phase, seconds, text }) => phase !== "client" && console.error(`${seconds.toFixed(1)} s ${text}`),
  });
  const figures = await measureTor(bench, { onProgress: (text) => console.error(text) });
  console.log(formatFigures(figures));
  console.log(
    `\nclient: ${figures.map(({ down }) => down.cpuPerGigabyte.client.toFixed(1)).join(", ")} CPU s/GB down, ` +
      `${figures.map(({ circuits }) => (circuits.clientCpuPerCircuit * 1e6).toFixed(0)).join(", ")} µs/circuit, ` +
      `${figures.map(({ circuits }) => (circuits.clientMemoryPerCircuit / 1024).toFixed(1)).join(", ")} KiB/idle circuit`,
  );
}
