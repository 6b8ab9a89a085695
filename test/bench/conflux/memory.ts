import { formatTable, pause, processUsage } from "../../network/index.ts";
import type { Inspector } from "../inspector.ts";
import type { End } from "./clients.ts";
import { IdleCircuits } from "./idle-circuits.ts";
import type { ConfluxBench } from "./network.ts";

/** What a process takes, in bytes, or has grown by for each of something. */
interface Taken {
  readonly resident: number;
  /** The heap and what is beside it, without garbage; undefined where there is no collector. */
  readonly kept: number | undefined;
}

/** What idle circuits and sets take at an exit, in bytes for each. */
export interface MemoryFigures {
  readonly exit: End;
  readonly circuit: Taken;
  /** A circuit that has had a stream: as a leg, it has all that a circuit makes only when it is needed. */
  readonly used: Taken;
  /** Beyond its two circuits. */
  readonly set: Taken;
}

/** Until what has been sent has come, and what ended is released. */
const SETTLE_MS = 2_000;

/**
 * Opens circuits at either exit, then links them to so many sets of two, then opens as many circuits again and has a stream on each, and
 * looks each time what the process has grown by.
 */
export const measureMemory = async (
  bench: ConfluxBench,
  sets: number,
  onProgress: (text: string) => void,
): Promise<ReadonlyArray<MemoryFigures>> => {
  const figures: Array<MemoryFigures> = [];
  for (const exit of ["tor", "Allium"] as const) {
    onProgress(`memory of ${sets} idle sets at ${exit}'s exit`);
    await using inspector = exit === "Allium" ? await bench.inspectExit() : undefined;
    figures.push(await memoryAt(bench, exit, sets, inspector));
  }
  return figures;
};

const memoryAt = async (
  bench: ConfluxBench,
  exit: End,
  sets: number,
  inspector: Inspector | undefined,
): Promise<MemoryFigures> => {
  const target = bench.targetOf(exit);
  const look = async (): Promise<Taken> => {
    await pause(SETTLE_MS);
    return await taken(bench.pidOf(exit), inspector);
  };
  {
    // What is made only once, such as compiled code.
    using first = await IdleCircuits.open(target, Math.ceil(sets / 5) * 2);
    await first.link();
    using second = await IdleCircuits.open(target, Math.ceil(sets / 5));
    await second.use(bench.origin.port);
  }
  const before = await look();
  using circuits = await IdleCircuits.open(target, 2 * sets);
  const opened = await look();
  await circuits.link();
  const linked = await look();
  using others = await IdleCircuits.open(target, 2 * sets);
  await others.use(bench.origin.port);
  const used = await look();
  for (const { open } of [circuits, others]) {
    if (open < 2 * sets) throw new Error(`${open} circuits are left of ${2 * sets}`);
  }
  return {
    exit,
    circuit: grownBy(before, opened, 2 * sets),
    used: grownBy(linked, used, 2 * sets),
    set: grownBy(opened, linked, sets),
  };
};

const taken = async (pid: number, inspector: Inspector | undefined): Promise<Taken> => {
  if (inspector === undefined) return { resident: processUsage(pid)?.residentBytes ?? 0, kept: undefined };
  // What is released natively is only after the collection that finds it.
  for (let time = 0; time < 3; time++) await inspector.collectGarbage();
  const { rss, heapUsed, external } = await inspector.evaluate<NodeJS.MemoryUsage>("process.memoryUsage()");
  return { resident: rss, kept: heapUsed + external };
};

const grownBy = (before: Taken, after: Taken, count: number): Taken => ({
  resident: (after.resident - before.resident) / count,
  kept: after.kept === undefined || before.kept === undefined ? undefined : (after.kept - before.kept) / count,
});

/** As a table, in KiB. */
export const formatMemory = (figures: ReadonlyArray<MemoryFigures>): string => {
  const kibibytes = (bytes: number): string => (bytes / 1024).toFixed(1);
  const cells = ({ resident, kept }: Taken): string =>
    kept === undefined ? kibibytes(resident) : `${kibibytes(resident)} (${kibibytes(kept)})`;
  return formatTable(
    ["exit, KiB resident (without garbage)", "a circuit", "that has had a stream", "a set, beyond two circuits"],
    figures.map(({ exit, circuit, used, set }) => [exit, ...[circuit, used, set].map(cells)]),
  );
};
