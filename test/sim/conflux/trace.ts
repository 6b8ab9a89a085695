import { createHash } from "node:crypto";

/** What has happened, in its order: a line for each thing, with the millisecond. */
export class Trace {
  private readonly lines: Array<string> = [];
  private readonly now: () => number;

  /** @param now milliseconds of virtual time */
  constructor(now: () => number) {
    this.now = now;
  }

  note(who: string, what: string): void {
    this.lines.push(`${this.now().toFixed(3).padStart(10)} ${who}: ${what}\n`);
  }

  get text(): string {
    return this.lines.join("");
  }

  /** By which two traces are compared. */
  get hash(): string {
    const hash = createHash("sha256");
    for (const line of this.lines) hash.update(line);
    return hash.digest("hex");
  }
}
