import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { processStartTime } from "./process-usage.ts";

/**
 * Sees to it that nothing outlives the process that started it, however that process ends (return, exception, SIGINT,
 * SIGKILL): one small child holds a pipe to us and the list of our daemons and directories. When the pipe closes, which
 * the kernel does for every kind of death, it kills and removes what is still on the list.
 */
class Reaper {
  private readonly child: ChildProcess;

  constructor() {
    this.child = spawn(process.execPath, [fileURLToPath(new URL("reaper-main.ts", import.meta.url))], {
      stdio: ["pipe", "ignore", "ignore"],
      // Its own process group, so that Ctrl-C in a terminal does not take the reaper away with its charges.
      detached: true,
    });
    this.child.unref();
    const pipe = this.child.stdin as Socket;
    pipe.unref();
    pipe.on("error", () => {});
  }

  tell(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }
}

let reaper: Reaper | undefined;
const tell = (line: string): void => {
  reaper ??= new Reaper();
  reaper.tell(line);
};

/** Kill this process when we are gone. Its start time goes with it, so that a later process of that id is left alone. */
export const reapProcess = (pid: number): void => tell(`+process ${pid} ${processStartTime(pid) ?? 0}`);

/** The process has ended by itself. */
export const forgetProcess = (pid: number): void => tell(`-process ${pid}`);

/** Remove this directory when we are gone. */
export const reapDirectory = (path: string): void => tell(`+directory ${path}`);

/** The directory has been removed, or is to be kept. */
export const forgetDirectory = (path: string): void => tell(`-directory ${path}`);
