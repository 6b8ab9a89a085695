import { type ChildProcess, spawn } from "node:child_process";

/** How a program ended. */
export interface ProgramEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs, as a shell would see it. */
export class RunningProgram {
  readonly child: ChildProcess;
  readonly end: Promise<ProgramEnd>;
  #stdout = "";
  #stderr = "";
  #look: () => void = () => {};

  constructor(script: string, args: ReadonlyArray<string>) {
    this.child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
      this.#look();
    });
    this.end = new Promise((resolve) => {
      this.child.once("close", (code) => {
        this.#look();
        resolve({ code, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  /** Waits until it has logged something; fails if it ends without. */
  logged(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#look = () => {
        if (this.#stderr.includes(text)) resolve();
        else if (this.child.exitCode !== null) reject(new Error(`ended without "${text}": ${this.#stderr}`));
      };
      this.#look();
    });
  }
}
