import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Sample } from "./attribution.ts";
import { latestNames, readPerfScript } from "./perf-script.ts";

/** What V8 must be told so that `perf` knows its functions by name: they stay where they are, and so do their names. */
export const perfArguments = (directory: string): ReadonlyArray<string> => [
  "--perf-basic-prof",
  "--no-compact-code-space",
  "--no-logfile-per-isolate",
  `--logfile=${join(directory, "v8.log")}`,
];

const SAMPLES_PER_SECOND = 4999;

/** The most that `perf script` may print: a minute of two threads. */
const MAX_OUTPUT_BYTES = 1 << 30;

/** Samples all threads of a process with the system's `perf` while `work` lasts. Needs the rights for it. */
export const recordPerf = async <A>(
  pid: number,
  directory: string,
  work: () => Promise<A>,
): Promise<readonly [A, ReadonlyArray<Sample>]> => {
  const file = join(directory, "perf.data");
  const frequency = String(SAMPLES_PER_SECOND);
  // The processor's own counters are not there in a virtual machine: the kernel's clock is.
  const perf = spawn("perf", ["record", "-q", "-e", "cpu-clock", "-F", frequency, "-g", "-o", file, "-p", String(pid)]);
  const ended = once(perf, "exit");
  await once(perf, "spawn");
  const result = await work();
  perf.kill("SIGINT");
  await ended;
  const text = withLatestNames(pid, () =>
    execFileSync("perf", ["script", "-i", file, "-F", "comm,ip,sym,dso"], {
      encoding: "utf8",
      maxBuffer: MAX_OUTPUT_BYTES,
      stdio: ["ignore", "pipe", "ignore"],
    }),
  );
  rmSync(file, { force: true });
  return [result, readPerfScript(text)];
};

/** Where V8 writes its names, and `perf` looks for them. */
const mapOf = (pid: number): string => `/tmp/perf-${pid}.map`;

/** Puts a map with those names alone that are still true in the place of V8's, to which it goes on adding. */
const withLatestNames = <A>(pid: number, work: () => A): A => {
  const map = mapOf(pid);
  const aside = `${map}.all`;
  renameSync(map, aside);
  try {
    writeFileSync(map, latestNames(readFileSync(aside, "utf8")));
    return work();
  } finally {
    renameSync(aside, map);
  }
};

/** Takes away the map of names that V8 has written for `perf`. */
export const removePerfMap = (pid: number): void => rmSync(mapOf(pid), { force: true });
