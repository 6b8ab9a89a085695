/**
 * The program of `reaper.ts`: reads from its standard input what must not outlive the other end, and at the end of the
 * input kills and removes what is left.
 */
import { rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { processStartTime } from "./process-usage.ts";

const processes = new Map<number, string>();
const directories = new Set<string>();

const stillOurs = (pid: number, startTime: string): boolean => processStartTime(pid) === startTime;

for await (const line of createInterface({ input: process.stdin })) {
  const space = line.indexOf(" ");
  const what = line.slice(0, space);
  const value = line.slice(space + 1);
  const [pid, startTime] = value.split(" ");
  if (what === "+process") processes.set(Number(pid), startTime ?? "");
  else if (what === "-process") processes.delete(Number(pid));
  else if (what === "+directory") directories.add(value);
  else if (what === "-directory") directories.delete(value);
}

for (const [pid, startTime] of processes) {
  try {
    if (stillOurs(pid, startTime)) process.kill(pid, "SIGKILL");
  } catch {
    // It ended between the look and the kill.
  }
}

const deadline = Date.now() + 3000;
while (Date.now() < deadline && [...processes].some(([pid, startTime]) => stillOurs(pid, startTime))) {
  await new Promise((resolve) => setTimeout(resolve, 20));
}
for (const directory of directories) rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
