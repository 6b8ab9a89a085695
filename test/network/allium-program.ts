import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type LogFinding, scanLog } from "./log-scan.ts";
import { ManagedProcess, type ProcessExit } from "./managed-process.ts";
import type { TomlDocument } from "./toml.ts";
import type { TorNetwork } from "./tor-network.ts";

/** What can be chosen for each of Allium's programs. */
export interface ProgramOptions {
  /** More keys of the configuration's top, and more tables. */
  readonly extra?: TomlDocument;
  /** Options of Node itself, such as `--expose-gc` or `--cpu-prof`. */
  readonly nodeArguments?: ReadonlyArray<string>;
  readonly env?: Readonly<Record<string, string>>;
  /** A program to run it by, with its arguments: one that becomes Allium's, such as `strace -D`. */
  readonly under?: ReadonlyArray<string>;
}

/** The files of a program in a network. */
export interface ProgramFiles {
  readonly dataDirectory: string;
  readonly configFile: string;
  readonly logFile: string;
}

/** Where they are. @param name names them all */
export const programFiles = (network: TorNetwork, name: string): ProgramFiles => {
  const dataDirectory = join(network.directory, name);
  return { dataDirectory, configFile: `${dataDirectory}.toml`, logFile: `${dataDirectory}.log` };
};

/** What to start. */
export interface ProgramStart extends Pick<ProgramOptions, "nodeArguments" | "env" | "under"> {
  /** What errors call it. */
  readonly name: string;
  /** Its `main.ts`. */
  readonly program: string;
  /** The command, which is given the configuration. */
  readonly command: string;
  readonly files: ProgramFiles;
}

/** Starts one. Its configuration is there already. */
export const startProgram = async ({
  name,
  program,
  command: subcommand,
  files,
  nodeArguments = [],
  env,
  under = [],
}: ProgramStart): Promise<ManagedProcess> => {
  // Without arguments for the platform, as a user runs it: with those that the program itself asks for.
  const platform = nodeArguments.length === 0 ? [] : [process.execPath, ...nodeArguments];
  const [command = program, ...args] = [...under, ...platform, program, subcommand, "--config", files.configFile];
  return await ManagedProcess.start({ name, command, args, logFile: files.logFile, env: { ...process.env, ...env } });
};

/** One of Allium's programs as a child process in a private network. Disposing it sends SIGTERM, and SIGKILL after 5 s. */
export abstract class AlliumProgram implements ProgramFiles, AsyncDisposable {
  readonly dataDirectory: string;
  readonly configFile: string;
  readonly logFile: string;
  readonly pid: number;
  private readonly process: ManagedProcess;

  protected constructor(process: ManagedProcess, { dataDirectory, configFile, logFile }: ProgramFiles) {
    this.process = process;
    this.pid = process.pid;
    this.dataDirectory = dataDirectory;
    this.configFile = configFile;
    this.logFile = logFile;
  }

  get running(): boolean {
    return this.process.running;
  }

  /** Settles when the process has ended. */
  get exited(): Promise<ProcessExit> {
    return this.process.exited;
  }

  /** Rejects with the end of the log when the program ends before `work` does. @throws ProcessFailedError */
  async whileRunning<A>(work: Promise<A>): Promise<A> {
    return await this.process.whileRunning(work);
  }

  /** Everything it has written so far. */
  log(): string {
    return readFileSync(this.logFile, "utf8");
  }

  warnings(allow: ReadonlyArray<RegExp> = []): ReadonlyArray<LogFinding> {
    return scanLog(this.logFile, allow);
  }

  signal(signal: NodeJS.Signals): void {
    this.process.signal(signal);
  }

  /** Ends it in order; how it ended tells whether it took SIGTERM well (code 0) or had to be killed. */
  async stop(graceMs = 5000): Promise<ProcessExit> {
    return await this.process.stop(graceMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
