/**
 * Runs the fuzz targets of all packages: `npm run fuzz -- [--iterations N] [--seed N] [--only NAME] [--start N]`.
 *
 * Every iteration of every target draws from a generator of its own, seeded by the run's seed, the target's name and the
 * number of the iteration, so that a finding is replayed alone by the command that is printed with it.
 */
import { globSync } from "node:fs";
import { resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { FuzzTarget } from "../support/fuzz.ts";
import { Random } from "../support/fuzz.ts";

const USAGE = `usage: npm run fuzz -- [options]
  --iterations N  runs of each target (100000)
  --seed N        seed of the run (1)
  --only NAME     only targets whose name contains NAME
  --start N       number of the first iteration (0)`;

/** An iteration that takes longer is a finding: some input makes a parser do far too much. */
const SLOW_MS = 2000;

/**
 * Memory that the process may come to have in use, garbage included, above what it had before the target: an input that makes a
 * parser take more is a finding. Looked at after iterations of more than {@link LOOK_MS}, since nobody fills so much in less.
 */
const MEMORY_BYTES = 256e6;
const LOOK_MS = 5;

/** What is still referred to after all iterations may be so much more than before: a target that keeps more has a leak. */
const LEAK_BYTES = 16e6;

/** Iterations between turns of the event loop. */
const TURN = 1000;

const ROOT = resolve(import.meta.dirname, "../..");

interface Options {
  readonly iterations: number;
  readonly seed: number;
  readonly start: number;
  readonly only: string;
}

interface Finding {
  readonly target: string;
  readonly iteration: number;
  readonly error: unknown;
}

const naturalNumber = (name: string, text: string): number => {
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw new Error(`--${name} takes a number, not "${text}"`);
};

const readOptions = (): Options => {
  const { values } = parseArgs({
    options: {
      iterations: { type: "string", default: "100000" },
      seed: { type: "string", default: "1" },
      start: { type: "string", default: "0" },
      only: { type: "string", default: "" },
    },
  });
  return {
    iterations: naturalNumber("iterations", values.iterations),
    seed: naturalNumber("seed", values.seed),
    start: naturalNumber("start", values.start),
    only: values.only,
  };
};

const findTargets = async (only: string): Promise<ReadonlyArray<FuzzTarget>> => {
  const files = globSync("{packages,apps}/*/fuzz/*.fuzz.ts", { cwd: ROOT }).sort();
  const modules = await Promise.all(files.map((file) => import(pathToFileURL(resolve(ROOT, file)).href)));
  const targets = modules.flatMap((module: { targets: ReadonlyArray<FuzzTarget> }) => module.targets);
  const names = new Set<string>();
  for (const { name } of targets) {
    if (names.has(name)) throw new Error(`two targets are named "${name}": a finding could not be replayed`);
    names.add(name);
  }
  // The whole name of one target means that one, even if others begin with it.
  return names.has(only)
    ? targets.filter(({ name }) => name === only)
    : targets.filter(({ name }) => name.includes(only));
};

/** FNV-1a over the parts that make an iteration, so that neighbouring iterations share nothing. */
const seedOf = (seed: number, name: string, iteration: number): number => {
  let hash = 0x811c9dc5;
  for (const character of `${seed}/${name}/${iteration}`) {
    hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  }
  return hash >>> 0;
};

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes on the heap that something still refers to: what a target leaks, it leaks here. */
const liveHeap = (): number => {
  collectGarbage();
  return process.memoryUsage().heapUsed;
};

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** How long an iteration takes, in milliseconds. */
const timeOf = (target: FuzzTarget, { seed }: Options, iteration: number): number => {
  const began = performance.now();
  target.run(new Random(seedOf(seed, target.name, iteration)));
  return performance.now() - began;
};

/** Memory in use, garbage included. */
const memoryInUse = (): number => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

/**
 * Whether it is the iteration that takes so much: without the garbage of others, which the platform may keep until the event loop
 * has had a turn.
 */
const takesTooMuch = async (target: FuzzTarget, options: Options, iteration: number): Promise<boolean> => {
  await setImmediate();
  collectGarbage();
  await setImmediate();
  const before = memoryInUse();
  timeOf(target, options, iteration);
  return memoryInUse() - before > MEMORY_BYTES;
};

const runTarget = async (target: FuzzTarget, options: Options): Promise<Finding | undefined> => {
  const heapBefore = liveHeap();
  const memoryBefore = memoryInUse();
  const started = performance.now();
  let slowest = 0;
  for (let iteration = options.start; iteration < options.start + options.iterations; iteration++) {
    const began = performance.now();
    try {
      target.run(new Random(seedOf(options.seed, target.name, iteration)));
    } catch (error) {
      return { target: target.name, iteration, error };
    }
    const took = performance.now() - began;
    // Once more: it may have waited for the processor.
    if (took > SLOW_MS && timeOf(target, options, iteration) > SLOW_MS) {
      return { target: target.name, iteration, error: new Error(`one run took ${took.toFixed(0)} ms`) };
    }
    if (took > LOOK_MS && memoryInUse() - memoryBefore > MEMORY_BYTES) {
      if (await takesTooMuch(target, options, iteration)) {
        return { target: target.name, iteration, error: new Error(`more than ${megabytes(MEMORY_BYTES)} in use`) };
      }
    }
    slowest = Math.max(slowest, took);
    // What the platform has to do after a collection waits for a turn of the event loop.
    if (iteration % TURN === 0) await setImmediate();
  }
  const seconds = (performance.now() - started) / 1000;
  const rate = options.iterations / seconds;
  const heap = liveHeap();
  if (heap - heapBefore > LEAK_BYTES) {
    const error = new Error(`${megabytes(heap - heapBefore)} are still referred to at the end`);
    return { target: target.name, iteration: options.start, error };
  }
  console.log(
    [
      target.name.padEnd(42),
      `${options.iterations.toString().padStart(8)} runs in ${seconds.toFixed(0).padStart(4)} s`,
      `${rate.toFixed(0).padStart(7)} runs/s`,
      `slowest ${slowest.toFixed(1).padStart(6)} ms`,
      `heap ${megabytes(heap).padStart(8)} (grew ${megabytes(heap - heapBefore)})`,
      `rss ${megabytes(process.memoryUsage().rss)}`,
    ].join("  "),
  );
  return undefined;
};

const report = ({ target, iteration, error }: Finding, { seed }: Options): void => {
  console.error(`\nFINDING in "${target}", seed ${seed}, iteration ${iteration}`);
  console.error(error instanceof Error ? error.stack : error);
  console.error(`replay: npm run fuzz -- --only '${target}' --seed ${seed} --start ${iteration} --iterations 1\n`);
};

const main = async (): Promise<number> => {
  const options = readOptions();
  const targets = await findTargets(options.only);
  if (targets.length === 0) throw new Error(`no fuzz target${options.only && ` is named like "${options.only}"`}`);
  console.log(`${targets.length} targets, ${options.iterations} iterations each, seed ${options.seed}`);
  const findings: Array<Finding> = [];
  for (const target of targets) {
    const finding = await runTarget(target, options);
    if (finding === undefined) continue;
    report(finding, options);
    findings.push(finding);
  }
  console.log(findings.length === 0 ? "no findings" : `${findings.length} findings`);
  return findings.length === 0 ? 0 : 1;
};

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? `fuzz: ${error.message}` : error);
  console.error(USAGE);
  process.exitCode = 2;
}
