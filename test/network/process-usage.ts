import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** What a process has used so far. */
export interface ProcessUsage {
  /** User and system time of all its threads, in seconds (resolution 10 ms). */
  readonly cpuSeconds: number;
  /** Resident memory in bytes. */
  readonly residentBytes: number;
}

/** The numbered fields of /proc/PID/stat from the third on: the second, the program's name, may itself hold spaces. */
const statFields = (pid: number): ReadonlyArray<string> | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields;
  } catch {
    return undefined;
  }
};

/** The kernel's start time of a process, which with its id names it for good; undefined when there is none. */
export const processStartTime = (pid: number): string | undefined => statFields(pid)?.[19];

let ticksPerSecond = 0;
const clockTicks = (): number => {
  if (ticksPerSecond === 0) ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "latin1" }));
  return ticksPerSecond;
};

/** CPU time and memory of a running process; undefined when it has ended. */
export const processUsage = (pid: number): ProcessUsage | undefined => {
  const fields = statFields(pid);
  if (fields === undefined) return undefined;
  const cpuTicks = Number(fields[11]) + Number(fields[12]);
  // VmRSS and not the 24th field of stat, which the kernel keeps only roughly.
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const residentKiB = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
  return { cpuSeconds: cpuTicks / clockTicks(), residentBytes: residentKiB * 1024 };
};
