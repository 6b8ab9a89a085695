import { type Direction, formatTable } from "../network/index.ts";
import { type AlliumBench, startAlliumBench } from "./allium-bench.ts";
import { attribute, PLACES, type Place, sharesOf, withBelow } from "./attribution.ts";
import { samplesOf } from "./cpu-profile.ts";
import { Inspector } from "./inspector.ts";
import { recordPerf, removePerfMap } from "./perf-record.ts";
import type { Position } from "./support.ts";
import { type ThreadUsage, threadUsage, usedBetween } from "./thread-usage.ts";
import { measureGoodput } from "./tor-goodput.ts";

/** The data of a full DATA cell of version 0 (tor-spec 6.1): a cell is so much of what was carried. */
export const DATA_BYTES = 498;

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

/** Where the time of a cell, or of another unit, went. */
export interface CellProfile {
  readonly name: string;
  /** Microseconds of processor time for each, by threads, as the kernel counted it without a profiler. */
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
  const profiled = { pid: relay.pid, directory: network.directory, inspector };
  return await profileWork(profiled, `${position}, ${direction}`, onProgress, async (around) => {
    const carried = await measureGoodput(bench, relay, position, { bytes, direction, streams, around });
    return carried.bytes / DATA_BYTES;
  });
};

/** Which process is profiled. */
export interface Profiled {
  readonly pid: number;
  /** For files that go with the network. */
  readonly directory: string;
  /** Null: the system's profiler is asked. */
  readonly inspector: Inspector | null;
}

/** What is put around the part of some work that counts. */
export type Around = <A>(work: () => Promise<A>) => Promise<A>;

/**
 * Does some work three times: to warm up, to measure, and to profile.
 *
 * @param carry does it, and says how many units it was: of cells, of circuits. What is not within `around` is not in the profile
 */
export const profileWork = async (
  { pid, directory, inspector }: Profiled,
  name: string,
  onProgress: (text: string) => void,
  carry: (around: Around) => Promise<number>,
): Promise<CellProfile> => {
  /** Runs the work, and gives what the process' threads used meanwhile. */
  const metered = async <A>(work: () => Promise<A>): Promise<readonly [A, ThreadUsage]> => {
    const before = threadUsage(pid);
    const result = await work();
    return [result, usedBetween(before, threadUsage(pid))];
  };

  onProgress(`${name}: warm-up`);
  await carry((work) => work());
  onProgress(`${name}: measured`);
  let used: ThreadUsage = { main: 0, others: 0 };
  const units = await carry(async (work) => {
    const [result, usage] = await metered(work);
    used = usage;
    return result;
  });
  onProgress(`${name}: profiled`);
  let weights: ReadonlyMap<Place, number> = new Map();
  await carry(async (work) => {
    if (inspector === null) {
      const [result, samples] = await recordPerf(pid, directory, work);
      weights = attribute(samples);
      return result;
    }
    const [[result, usage], profile] = await inspector.profile(() => metered(work), EVERY_MICROS);
    weights = withBelow(attribute(samplesOf(profile)), usage.main * 1e6);
    return result;
  });
  const micros = (seconds: number): number => (seconds * 1e6) / units;
  return { name, main: micros(used.main), others: micros(used.others), shares: sharesOf(weights) };
};

/** The profiles beside each other: for each place its share and its microseconds for each cell, or whatever the unit is. */
export const formatProfiles = (profiles: ReadonlyArray<CellProfile>, perf: boolean, unit = "cell"): string => {
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
    ["where", ...profiles.flatMap(({ name }) => [name, `µs/${unit}`])],
    [...seen.map(row), ...others, ["together", ...profiles.flatMap((one) => cells(1, total(one)))]],
  );
};
