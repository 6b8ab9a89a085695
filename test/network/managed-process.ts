import { type ChildProcess, type Serializable, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { ProcessFailedError } from "./errors.ts";
import { forgetProcess, reapProcess } from "./reaper.ts";
import { withTimeout } from "./wait.ts";

/** How a process ended: by itself with a code, or by a signal. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What to start. */
export interface ProcessOptions {
  /** What errors call it. */
  readonly name: string;
  readonly command: string;
  readonly args: ReadonlyArray<string>;
  /** Gets both of its output streams, appended. */
  readonly logFile: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Opens Node's message channel to the child. */
  readonly messages?: boolean;
}

/** A child process that cannot outlive this one. Its output goes to a file; disposing stops it. */
export class ManagedProcess implements AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Settles when the process has ended, for whatever reason. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  private readonly child: ChildProcess;
  private exit: ProcessExit | undefined;

  private constructor(name: string, logFile: string, child: ChildProcess, pid: number) {
    this.name = name;
    this.logFile = logFile;
    this.child = child;
    this.pid = pid;
    this.exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.exit = { code, signal };
        forgetProcess(pid);
        resolve(this.exit);
      });
    });
  }

  /** @throws ProcessFailedError when the program cannot be started at all */
  static async start(options: ProcessOptions): Promise<ManagedProcess> {
    const log = openSync(options.logFile, "a", 0o600);
    try {
      const child = spawn(options.command, options.args, {
        stdio: ["ignore", log, log, ...(options.messages ? (["ipc"] as const) : [])],
        // A process group of its own: Ctrl-C reaches only us, and we end it in order.
        detached: true,
        ...(options.env === undefined ? {} : { env: options.env }),
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      });
      await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", (error) => reject(new ProcessFailedError(options.name, "did not start", error.message)));
      });
      child.unref();
      child.channel?.unref();
      const pid = child.pid!;
      reapProcess(pid);
      return new ManagedProcess(options.name, options.logFile, child, pid);
    } finally {
      closeSync(log);
    }
  }

  get running(): boolean {
    return this.exit === undefined;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.child.kill(signal);
  }

  /** Sends a message to a child that was started with `messages` and gives the next one that comes back. */
  async ask<A>(question: Serializable, timeoutMs = 30_000): Promise<A> {
    this.child.channel?.ref();
    try {
      return await withTimeout(
        new Promise<A>((resolve, reject) => {
          this.child.once("message", (answer) => resolve(answer as A));
          this.child.send(question, (error) => {
            if (error !== null) reject(new ProcessFailedError(this.name, "takes no messages", error.message));
          });
        }),
        timeoutMs,
        `an answer of ${this.name}`,
      );
    } finally {
      this.child.channel?.unref();
    }
  }

  /** Rejects when the process ends before `work` is done: nobody waits out a timeout for a dead daemon. */
  async whileRunning<A>(work: Promise<A>): Promise<A> {
    return await Promise.race([
      work,
      this.exited.then(({ code, signal }) => {
        throw new ProcessFailedError(this.name, `ended early (${signal ?? `code ${code}`})`, this.logTail());
      }),
    ]);
  }

  /** The last lines of its log. */
  logTail(lines = 15): string {
    try {
      return readFileSync(this.logFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
    } catch {
      return "";
    }
  }

  /** SIGTERM, and SIGKILL when it has not ended within `graceMs`. Returns when it is gone. */
  async stop(graceMs = 3000): Promise<ProcessExit> {
    if (this.exit !== undefined) return this.exit;
    this.child.ref();
    this.child.kill("SIGTERM");
    const timer = setTimeout(() => this.child.kill("SIGKILL"), graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
