import { formatTable } from "../network/index.ts";
import { CircuitBuilder, type CircuitsBuilt } from "./circuits-at-once.ts";
import { type BenchNetwork, fingerprints, type Position, pathThrough, type RelayUnderTest } from "./support.ts";
import { medianOf } from "./tor-baseline.ts";
import { type GoodputResult, measureGoodput } from "./tor-goodput.ts";

/** How many streams share a circuit: a hundred on one say more of its window than of the relay. */
const STREAMS_PER_CIRCUIT = 10;

/** What a relay costs and carries under a load. */
export interface LoadFigures {
  readonly relay: string;
  readonly position: Position;
  readonly streams: number;
  /** Circuits through the relay that carried nothing beside them. */
  readonly idle: number;
  readonly down: GoodputResult;
  readonly up: GoodputResult;
}

/** How much load. */
export interface LoadOptions {
  readonly positions: ReadonlyArray<Position>;
  /** Streams at once. */
  readonly streams: ReadonlyArray<number>;
  /** Idle circuits beside them. */
  readonly idle: ReadonlyArray<number>;
  /** In each direction and round. */
  readonly bytes: number;
  /** The median counts. */
  readonly rounds: number;
  readonly onProgress: (text: string) => void;
}

/**
 * Measures relays beside each other under each load, in turn, so that all have the same machine. Idle circuits go through the
 * relay that is measured, and through the other ones too while they wait for theirs.
 */
export const measureLoad = async (
  bench: BenchNetwork,
  relaysAt: (position: Position) => ReadonlyArray<RelayUnderTest>,
  options: LoadOptions,
): Promise<ReadonlyArray<LoadFigures>> => {
  const { positions, bytes, onProgress } = options;
  const figures: Array<LoadFigures> = [];
  for (const position of positions) {
    const relays = relaysAt(position);
    // A just-in-time compiler has seen it all before anything counts.
    for (const relay of relays) {
      onProgress(`${relay.nickname} as ${position}: warm-up`);
      await measureGoodput(bench, relay, position, { bytes, direction: "down" });
      await measureGoodput(bench, relay, position, { bytes, direction: "up" });
    }
    for (const idle of options.idle) {
      await using circuits = await idleCircuits(bench, relays, position, idle);
      if (idle > 0) onProgress(`${circuits.built} idle circuits, ${circuits.failed} failed`);
      for (const streams of options.streams) {
        figures.push(...(await measureInTurn(bench, relays, { position, streams, idle }, options)));
      }
    }
  }
  return figures;
};

const measureInTurn = async (
  bench: BenchNetwork,
  relays: ReadonlyArray<RelayUnderTest>,
  load: Pick<LoadFigures, "position" | "streams" | "idle">,
  { bytes, rounds, onProgress }: LoadOptions,
): Promise<ReadonlyArray<LoadFigures>> => {
  const { position, streams, idle } = load;
  const circuits = Math.ceil(streams / STREAMS_PER_CIRCUIT);
  const results = relays.map((relay) => ({
    relay,
    down: [] as GoodputResult[],
    up: [] as GoodputResult[],
  }));
  for (let round = 0; round < rounds; round++) {
    for (const direction of ["down", "up"] as const) {
      for (const { relay, [direction]: measured } of results) {
        onProgress(`${relay.nickname} as ${position}: ${streams} streams ${direction}, ${idle} idle circuits`);
        measured.push(await measureGoodput(bench, relay, position, { bytes, direction, streams, circuits }));
      }
    }
  }
  return results.map(({ relay, down, up }) => ({
    relay: relay.nickname,
    ...load,
    down: medianOf(down),
    up: medianOf(up),
  }));
};

/** Circuits through each relay that carry nothing, until they are disposed. */
const idleCircuits = async (
  bench: BenchNetwork,
  relays: ReadonlyArray<RelayUnderTest>,
  position: Position,
  count: number,
): Promise<AsyncDisposable & { readonly built: number; readonly failed: number }> => {
  const circuits: CircuitsBuilt = { built: [], failed: 0 };
  await using builder = await CircuitBuilder.open(bench.client.control);
  for (const relay of relays) {
    await builder.build(fingerprints(pathThrough(bench.network, relay, position)), count, 32, circuits);
  }
  return {
    built: circuits.built.length,
    failed: circuits.failed,
    [Symbol.asyncDispose]: () => builder.closeAll(circuits.built),
  };
};

/** The figures as a table in Markdown. */
export const formatLoad = (figures: ReadonlyArray<LoadFigures>): string =>
  formatTable(
    ["relay", "streams", "idle circuits", "down MB/s", "CPU s/GB", "up MB/s", "CPU s/GB"],
    figures.map(({ relay, position, streams, idle, down, up }) => [
      `${relay} as ${position}`,
      String(streams),
      String(idle),
      (down.bytesPerSecond / 1e6).toFixed(1),
      down.relayCpuPerGigabyte.toFixed(1),
      (up.bytesPerSecond / 1e6).toFixed(1),
      up.relayCpuPerGigabyte.toFixed(1),
    ]),
  );
