import { removePerfMap } from "../perf-record.ts";
import { type Around, type CellProfile, DATA_BYTES, type Profiled, profileWork } from "../profile.ts";
import { openStreams } from "./circuits.ts";
import { startClientBench } from "./network.ts";
import { carryBytes } from "./transfers.ts";

/** How to profile. */
export interface ClientProfileOptions {
  /** In each direction, once for each of warm-up, measure and profile. */
  readonly bytes: number;
  readonly streams: number;
  /** As often. */
  readonly circuits: number;
  /** Asks the system's profiler in place of V8's. */
  readonly perf: boolean;
  readonly onProgress: (text: string) => void;
}

/** Where a client's time went. */
export interface ClientProfiles {
  /** By cell: downloads and uploads. */
  readonly cells: ReadonlyArray<CellProfile>;
  /** By stream, each with a circuit of its own. */
  readonly circuits: ReadonlyArray<CellProfile>;
}

/** Profiles Allium's client, warm, in a network of `tor`. */
export const profileClient = async (options: ClientProfileOptions): Promise<ClientProfiles> => {
  const { bytes, streams, circuits: count, perf, onProgress } = options;
  await using bench = await startClientBench({ alliumExit: false, onProgress });
  const client = await bench.allium({ name: "profiled", perf });
  try {
    await using inspector = perf ? null : await client.inspect();
    const profiled: Profiled = { pid: client.pid, directory: bench.network.directory, inspector };
    let round = 0;
    const carry = (direction: "down" | "up") => async (around: Around) => {
      const circuit = `${direction} ${round++}`;
      return (await carryBytes(bench, client, { bytes, streams, direction, circuit }, around)).bytes / DATA_BYTES;
    };
    const cells = [
      await profileWork(profiled, "down", onProgress, carry("down")),
      await profileWork(profiled, "up", onProgress, carry("up")),
    ];
    const open = async (around: Around) => {
      const names = round++;
      await openStreams(bench, client, count, (index) => `${names} ${index}`, { around });
      return count;
    };
    const circuits = [await profileWork(profiled, "circuits", onProgress, open)];
    return { cells, circuits };
  } finally {
    if (perf) removePerfMap(client.pid);
  }
};
