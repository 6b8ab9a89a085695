import { type Around, type CellProfile, DATA_BYTES, profileWork } from "../profile.ts";
import { startConfluxBench } from "./network.ts";
import { type PairCase, withBoth } from "./pairs.ts";
import { carry, WAYS } from "./transfers.ts";
import { onTunnel } from "./tunnel.ts";

/** How to profile. */
export interface ConfluxProfileOptions {
  /** In each direction, once for each of warm-up, measure and profile. */
  readonly bytes: number;
  readonly onProgress: (text: string) => void;
}

/** Profiles Allium's exit, warm, as a `tor` client uses it: with two legs and with one, both ways. */
export const profileConflux = async ({
  bytes,
  onProgress,
}: ConfluxProfileOptions): Promise<ReadonlyArray<CellProfile>> => {
  await using bench = await startConfluxBench({ onProgress });
  await using inspector = await bench.inspectExit();
  const profiled = { pid: bench.pidOf("Allium"), directory: bench.network.directory, inspector };
  const profiles: Array<CellProfile> = [];
  const profile = async (both: ReadonlyArray<PairCase>): Promise<void> => {
    for (const way of WAYS) {
      for (const pair of both) {
        let round = 0;
        const work = (around: Around): Promise<number> =>
          onTunnel(bench, pair, `${way} ${round++}`, async (isolation) => {
            await carry(bench, pair.client, isolation, way, bytes / 5);
            return (await around(() => carry(bench, pair.client, isolation, way, bytes))).bytes / DATA_BYTES;
          });
        const name = `${way}, ${pair.legs === 1 ? "one leg" : "two legs"}`;
        profiles.push(await profileWork(profiled, name, onProgress, work));
      }
    }
  };
  await withBoth(bench, { client: "tor", exit: "Allium" }, profile);
  return profiles;
};
