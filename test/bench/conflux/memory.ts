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

/** What an exit takes for each. */
export interface MemoryFigures {
  readonly exit: End;
  /** A circuit on which nothing has come. */
  readonly circuit: Taken;
  /** A circuit that has had a stream. */
  readonly used: Taken;
  /** A set and its first leg, beyond the leg's circuit; with what a circuit makes for its first messages. */
  readonly firstLeg: Taken;
  /** The same of another leg: how much less it is, is the set's own. */
  readonly secondLeg: Taken;
}

/** Until what has been sent has come, and what ended is released. */
const SETTLE_MS = 2_000;

/**
 * At either exit opens twice as many circuits as sets, makes half of them their first legs and then the rest their second ones; opens as many
 * circuits again, and has a stream on each. Looks each time what the process has grown by.
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
    const few = Math.ceil(sets / 5);
    using first = await IdleCircuits.open(target, few);
    await first.link();
    using second = await IdleCircuits.open(target, few);
    await second.link(first);
    using third = await IdleCircuits.open(target, few);
    await third.use(bench.origin.port);
  }
  const before = await look();
  using first = await IdleCircuits.open(target, sets);
  using second = await IdleCircuits.open(target, sets);
  const opened = await look();
  await first.link();
  const begun = await look();
  await second.link(first);
  const linked = await look();
  using others = await IdleCircuits.open(target, sets);
  await others.use(bench.origin.port);
  const used = await look();
  for (const { open } of [first, second, others]) {
    if (open < sets) throw new Error(`${open} circuits are left of ${sets}`);
  }
  return {
    exit,
    circuit: grownBy(before, opened, 2 * sets),
    used: grownBy(linked, used, sets),
    firstLeg: grownBy(opened, begun, sets),
    secondLeg: grownBy(begun, linked, sets),
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

/** Adds what several take, each so many times. */
const sum = (...parts: ReadonlyArray<readonly [times: number, taken: Taken]>): Taken => ({
  resident: parts.reduce((bytes, [times, { resident }]) => bytes + times * resident, 0),
  kept: parts.some(([, { kept }]) => kept === undefined)
    ? undefined
    : parts.reduce((bytes, [times, { kept = 0 }]) => bytes + times * kept, 0),
});

/** As a table, in KiB. */
export const formatMemory = (figures: ReadonlyArray<MemoryFigures>): string => {
  const kibibytes = (bytes: number): string => (bytes / 1024).toFixed(1);
  const cells = ({ resident, kept }: Taken): string =>
    kept === undefined ? kibibytes(resident) : `${kibibytes(resident)} (${kibibytes(kept)})`;
  return formatTable(
    ["exit, KiB resident (kept)", "a circuit", "had a stream", "a leg", "a set of two", "beyond its legs"],
    figures.map(({ exit, circuit, used, firstLeg, secondLeg }) => {
      const leg = sum([1, circuit], [1, secondLeg]);
      const set = sum([2, circuit], [1, firstLeg], [1, secondLeg]);
      return [exit, ...[circuit, used, leg, set, sum([1, set], [-2, leg])].map(cells)];
    }),
  );
};
