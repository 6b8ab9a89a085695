/**
 * Plays sets of linked circuits from seeds, and tells of those in which something is not as it should be:
 *
 *   npm run sim -- --seed 107 --trace      one seed, and all that happens in it
 *   npm run sim -- --seeds 0..9999         many
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { ConfluxScheduler } from "@allium/conflux";
import { planOf } from "./draw-plan.ts";
import { type Played, simulate } from "./simulate.ts";

const USAGE = `usage: npm run sim -- [options]
  --seed N       one seed
  --seeds A..B   all from A to B (0..99)
  --scheduler F  both ends send by the scheduler that this file exports
  --trace        prints the plan, and all that happens`;

const readSeeds = (seed: string | undefined, seeds: string): readonly [first: number, last: number] => {
  const range = /^(\d{1,9})\.\.(\d{1,9})$/.exec(seed === undefined ? seeds : `${seed}..${seed}`);
  if (range === null) throw new Error("--seed takes a number, --seeds two of them: 0..99");
  return [Number(range[1]), Number(range[2])];
};

const isScheduler = (value: unknown): value is ConfluxScheduler =>
  typeof value === "object" && value !== null && "choose" in value && "cellsUntilSwitch" in value;

const readScheduler = async (file: string): Promise<ConfluxScheduler> => {
  const exported: ReadonlyArray<unknown> = Object.values(await import(pathToFileURL(resolve(file)).href));
  const scheduler = exported.find(isScheduler);
  if (scheduler === undefined) throw new Error(`${file} exports no scheduler`);
  return scheduler;
};

const report = ({ seed, complaints }: Played): void => {
  console.log(`seed ${seed}:`);
  for (const complaint of complaints) console.log(`  ${complaint}`);
  console.log(`  replay: npm run sim -- --seed ${seed} --trace`);
};

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string", default: "0..99" },
      scheduler: { type: "string" },
      trace: { type: "boolean", default: false },
    },
  });
  const [first, last] = readSeeds(values.seed, values.seeds);
  const scheduler = values.scheduler === undefined ? undefined : await readScheduler(values.scheduler);
  const fates = { lived: 0, closed: 0, died: 0 };
  let failed = 0;
  let cells = 0;
  let sentAgain = 0;
  let resumed = 0;
  let mostHeld = 0;
  let toEnd = 0;
  const began = performance.now();
  for (let seed = first; seed <= last; seed++) {
    const played = await simulate(seed, scheduler);
    const { figures } = played;
    if (values.trace) console.log(`${JSON.stringify(planOf(seed), null, 1)}\n${played.trace}trace ${played.hash}`);
    if (played.complaints.length > 0) {
      failed++;
      report(played);
    }
    fates[figures.fate]++;
    cells += figures.cells;
    sentAgain += figures.sentAgain;
    if (figures.sentAgain > 0 && figures.fate === "lived") resumed++;
    mostHeld = Math.max(mostHeld, figures.mostHeld);
    toEnd = Math.max(toEnd, figures.toEnd);
  }
  const count = last - first + 1;
  const millis = (performance.now() - began) / count;
  console.log(
    `${count} seeds, ${failed} failed; sets: ${fates.lived} lived, ${fates.closed} closed, ${fates.died} died; ` +
      `${(cells / count).toFixed(0)} cells a seed; ` +
      `${resumed} resumed and lived, ${sentAgain} cells sent again; at most ${mostHeld} bytes out of order, ` +
      `${toEnd.toFixed(0)} ms to an end; ${millis.toFixed(1)} ms a seed`,
  );
  return failed === 0 ? 0 : 1;
};

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? `sim: ${error.message}` : error);
  console.error(USAGE);
  process.exitCode = 2;
}
