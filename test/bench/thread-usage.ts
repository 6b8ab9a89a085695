import { readdirSync, readFileSync } from "node:fs";

/** What the threads of a process have used, in seconds. */
export interface ThreadUsage {
  /** The first thread: in Node the one that runs the scripts. */
  readonly main: number;
  /** All others together: in Node the collector's and the compiler's. */
  readonly others: number;
}

/** The kernel's account of a thread, in nanoseconds. */
const nanosOf = (pid: number, thread: string): number => {
  const [ran] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ");
  return Number(ran);
};

/** Processor time of a running process so far. A thread that has ended is not in it. */
export const threadUsage = (pid: number): ThreadUsage => {
  let main = 0;
  let others = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    if (thread === String(pid)) main += nanosOf(pid, thread) / 1e9;
    else others += nanosOf(pid, thread) / 1e9;
  }
  return { main, others };
};

/** What was used between two moments. */
export const usedBetween = (before: ThreadUsage, after: ThreadUsage): ThreadUsage => ({
  main: after.main - before.main,
  others: after.others - before.others,
});
