/** A program that the private network needs is not installed. */
export class TorMissingError extends Error {
  readonly _tag = "TorMissingError";
  readonly missing: ReadonlyArray<string>;

  constructor(missing: ReadonlyArray<string>) {
    super(`${missing.join(" and ")} not found: install with "apt-get install tor"`);
    this.missing = missing;
  }
}

/** A child process ended although it should have gone on, or did not do its work. `log` is the end of what it wrote. */
export class ProcessFailedError extends Error {
  readonly _tag = "ProcessFailedError";
  readonly program: string;
  readonly log: string;

  constructor(program: string, what: string, log: string) {
    super(`${program} ${what}${log === "" ? "" : `\n${log}`}`);
    this.program = program;
    this.log = log;
  }
}

/** What was waited for did not come in time. */
export class WaitTimeoutError extends Error {
  readonly _tag = "WaitTimeoutError";
  readonly what: string;
  readonly timeoutMs: number;

  constructor(what: string, timeoutMs: number, detail = "") {
    super(`waited ${timeoutMs / 1000} s in vain for ${what}${detail === "" ? "" : `: ${detail}`}`);
    this.what = what;
    this.timeoutMs = timeoutMs;
  }
}

/** No block of ports is left between the lowest and the highest port of the harness. */
export class PortsExhaustedError extends Error {
  readonly _tag = "PortsExhaustedError";
}
