import { type Direction, formatTable, type TransferReport } from "../network/index.ts";
import { type AlliumBench, startAlliumBench } from "./allium-bench.ts";
import { attribute, PLACES, type Place, sharesOf, withBelow } from "./attribution.ts";
import { samplesOf } from "./cpu-profile.ts";
import { Inspector } from "./inspector.ts";
import { recordPerf, removePerfMap } from "./perf-record.ts";
import type { Position } from "./support.ts";
import { type ThreadUsage, threadUsage, usedBetween } from "./thread-usage.ts";
import { measureGoodput } from "./tor-goodput.ts";

/** The data of a full DATA cell of version 0 (tor-spec 6.1): a cell is so much of what was carried. */
const DATA_BYTES = 498;

/** How often V8's profiler looks, in microseconds. */
const EVERY_MICROS = 250;

/** What is profiled. */
interface ProfileCase {
  readonly position: Position;
  readonly direction: Direction;
}

const CASES: ReadonlyArray<ProfileCase> = [
  { position: "exit", direction: "down" },
  { position: "exit", direction: "up" },
  { position: "middle", direction: "down" },
];

/** Where the time of a cell went. */
export interface CellProfile {
  readonly name: string;
  /** Microseconds of processor time for each cell, by threads, as the kernel counted it without a profiler. */
  readonly main: number;
  readonly others: number;
  /** The share of each place: of the main thread's time, or with `perf` of all threads'. */
  readonly shares: ReadonlyMap<Place, number>;
}

/** How to profile. */
export interface ProfileOptions {
  /** In each case, of them once for each of warm-up, measure and profile. */
  readonly bytes: number;
  readonly streams: number;
  /** Asks the system's profiler in place of V8's: it sees the kernel, TLS and all threads, but not what was inlined. */
  readonly perf: boolean;
  readonly onProgress: (text: string) => void;
}

/** Profiles Allium's relay as exit in both directions and as middle, warm, in a network of `tor`. */
export const profileRelay = async (options: ProfileOptions): Promise<ReadonlyArray<CellProfile>> => {
  const { perf, onProgress } = options;
  await using bench = await startAlliumBench({ inspect: !perf, perf, onProgress });
  try {
    await using inspector = bench.inspectorPort === undefined ? null : await Inspector.connect(bench.inspectorPort);
    const profiles: Array<CellProfile> = [];
    const all = async (): Promise<void> => {
      for (const one of CASES) profiles.push(await profileCase(bench, inspector, one, options));
    };
    await bench.allium.whileRunning(all());
    return profiles;
  } finally {
    if (perf) removePerfMap(bench.relay.pid);
  }
};

const profileCase = async (
  bench: AlliumBench,
  inspector: Inspector | null,
  { position, direction }: ProfileCase,
  { bytes, streams, onProgress }: ProfileOptions,
): Promise<CellProfile> => {
  const { relay, network } = bench;
  const name = `${position}, ${direction}`;
  const carry = (around: (work: () => Promise<TransferReport>) => Promise<TransferReport> = (work) => work()) =>
    measureGoodput(bench, relay, position, { bytes, direction, streams, around });
  /** Runs the work, and gives what the relay's threads used meanwhile. */
  const metered = async <A>(work: () => Promise<A>): Promise<readonly [A, ThreadUsage]> => {
    const before = threadUsage(relay.pid);
    const result = await work();
    return [result, usedBetween(before, threadUsage(relay.pid))];
  };

  onProgress(`${name}: warm-up`);
  await carry();
  onProgress(`${name}: measured`);
  let used: ThreadUsage = { main: 0, others: 0 };
  const { bytes: carried } = await carry(async (work) => {
    const [report, usage] = await metered(work);
    used = usage;
    return report;
  });
  onProgress(`${name}: profiled`);
  let weights: ReadonlyMap<Place, number> = new Map();
  await carry(async (work) => {
    if (inspector === null) {
      const [report, samples] = await recordPerf(relay.pid, network.directory, work);
      weights = attribute(samples);
      return report;
    }
    const [[report, usage], profile] = await inspector.profile(() => metered(work), EVERY_MICROS);
    weights = withBelow(attribute(samplesOf(profile)), usage.main * 1e6);
    return report;
  });
  const micros = (seconds: number): number => (seconds * 1e6 * DATA_BYTES) / carried;
  return { name, main: micros(used.main), others: micros(used.others), shares: sharesOf(weights) };
};

/** The profiles beside each other: for each place its share and its microseconds for each cell. */
export const formatProfiles = (profiles: ReadonlyArray<CellProfile>, perf: boolean): string => {
  const cells = (share: number, micros: number): ReadonlyArray<string> => [
    `${(share * 100).toFixed(1)} %`,
    micros.toFixed(2),
  ];
  const total = ({ main, others }: CellProfile): number => main + others;
  const profiled = (profile: CellProfile): number => (perf ? total(profile) : profile.main);
  const row = (place: Place): ReadonlyArray<string> => [
    place,
    ...profiles.flatMap((profile) => {
      const micros = (profile.shares.get(place) ?? 0) * profiled(profile);
      return cells(micros / total(profile), micros);
    }),
  ];
  const seen = PLACES.filter((place) => profiles.some(({ shares }) => (shares.get(place) ?? 0) > 0));
  const others = perf
    ? []
    : [["other threads", ...profiles.flatMap((one) => cells(one.others / total(one), one.others))]];
  return formatTable(
    ["where", ...profiles.flatMap(({ name }) => [name, "µs/cell"])],
    [...seen.map(row), ...others, ["together", ...profiles.flatMap((one) => cells(1, total(one)))]],
  );
};
