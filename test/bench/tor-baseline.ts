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
  /** Bytes in each direction and round. @default 50_000_000 */
  readonly bytes?: number;
  /** How often transfers are measured, after one that is not; the median counts. @default 1 */
  readonly rounds?: number;
  /** @default 2000 */
  readonly circuits?: number;
  readonly onProgress?: (text: string) => void;
}

/**
 * Measures relays beside each other at each position: each figure of one right after the other's, and transfers several times in
 * turn, so that all have the same machine. They must be in the client's consensus.
 *
 * @param relaysAt who is measured at a position
 */
export const measureRelays = async (
  bench: BenchNetwork,
  relaysAt: (position: Position) => ReadonlyArray<RelayUnderTest>,
  options: MeasureOptions = {},
): Promise<ReadonlyArray<RelayFigures>> => {
  const {
    positions = POSITIONS,
    bytes = 50_000_000,
    rounds = 1,
    circuits: count = 2000,
    onProgress = () => {},
  } = options;
  const figures: Array<RelayFigures> = [];
  for (const position of positions) {
    const relays = relaysAt(position);
    const each = async <A>(what: string, measure: (relay: RelayUnderTest) => Promise<A>): Promise<ReadonlyArray<A>> => {
      const results: Array<A> = [];
      for (const relay of relays) {
        onProgress(`${relay.nickname} as ${position}: ${what}`);
        results.push(await measure(relay));
      }
      return results;
    };
    const circuits = await each("circuits", (relay) => measureCircuits(bench, relay, position, { count }));
    const latency = await each("latency", (relay) => measureLatency(bench, relay, position));
    const transfer = (direction: "down" | "up") => (relay: RelayUnderTest) =>
      measureGoodput(bench, relay, position, { bytes, direction });
    // A relay runs for months: what a just-in-time compiler does in its first minute is not what it costs.
    for (const direction of ["down", "up"] as const) await each(`warm-up ${direction}`, transfer(direction));
    const down: Array<ReadonlyArray<GoodputResult>> = [];
    const up: Array<ReadonlyArray<GoodputResult>> = [];
    for (let round = 0; round < rounds; round++) {
      down.push(await each("download", transfer("down")));
      up.push(await each("upload", transfer("up")));
    }
    relays.forEach((relay, index) => {
      figures.push({
        relay: relay.nickname,
        position,
        down: medianOf(down.map((results) => results[index] as GoodputResult)),
        up: medianOf(up.map((results) => results[index] as GoodputResult)),
        latency: latency[index] as LatencyResult,
        circuits: circuits[index] as CircuitsResult,
      });
    });
  }
  return figures;
};

/** The result whose cost is the median, with the median of the speeds. */
export const medianOf = (results: ReadonlyArray<GoodputResult>): GoodputResult => {
  const middle = Math.floor(results.length / 2);
  const byCost = [...results].sort((one, other) => one.relayCpuPerGigabyte - other.relayCpuPerGigabyte);
  const speeds = results.map(({ bytesPerSecond }) => bytesPerSecond).sort((one, other) => one - other);
  return { ...(byCost[middle] as GoodputResult), bytesPerSecond: speeds[middle] as number };
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

/** The `tor` daemon to measure at a position: for each another, that was idle before, so that memory counts. */
export const torAt =
  ({ network }: BenchNetwork) =>
  (position: Position): RelayUnderTest => {
    const [guard, middle] = network.relays.slice(-2);
    const node = { guard, middle, exit: network.exits.at(-1) }[position];
    if (node === undefined) throw new TypeError(`too few tor relays to measure one as ${position}`);
    return { nickname: "tor", fingerprint: node.fingerprint, pid: node.pid };
  };

if (import.meta.main) {
  await using bench = await startBenchNetwork({
    relays: 4,
    onProgress: ({ phase, seconds, text }) => phase !== "client" && console.error(`${seconds.toFixed(1)} s ${text}`),
  });
  const tor = torAt(bench);
  const figures = await measureRelays(bench, (position) => [tor(position)], {
    onProgress: (text) => console.error(text),
  });
  console.log(formatFigures(figures));
  console.log(
    `\nclient: ${figures.map(({ down }) => down.cpuPerGigabyte.client.toFixed(1)).join(", ")} CPU s/GB down, ` +
      `${figures.map(({ circuits }) => (circuits.clientCpuPerCircuit * 1e6).toFixed(0)).join(", ")} µs/circuit, ` +
      `${figures.map(({ circuits }) => (circuits.clientMemoryPerCircuit / 1024).toFixed(1)).join(", ")} KiB/idle circuit`,
  );
}
