import { formatBytes } from "../network/index.ts";

const started = performance.now();

/** Prints a line after the seconds since the start. */
export const say = (text: string): void => {
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s  ${text}`);
};

/** How many characters the bar is wide. */
const WIDTH = 40;

/** The progress of a download: a bar that moves on a terminal, a line for each quarter elsewhere. */
export class ProgressLine {
  private readonly total: number;
  private readonly started = performance.now();
  private done = 0;
  private shown = -1;

  constructor(total: number) {
    this.total = total;
  }

  add(bytes: number): void {
    this.done += bytes;
    const steps = process.stdout.isTTY ? 100 : 4;
    const step = Math.floor((this.done / this.total) * steps);
    if (step === this.shown) return;
    this.shown = step;
    const rate = this.done / ((performance.now() - this.started) / 1000);
    const text = `${formatBytes(this.done)} of ${formatBytes(this.total)}, ${formatBytes(rate)}/s`;
    if (process.stdout.isTTY) {
      const filled = Math.round((this.done / this.total) * WIDTH);
      process.stdout.write(`\r\u001b[K[${"#".repeat(filled)}${" ".repeat(WIDTH - filled)}] ${text}`);
    } else if (step > 0) {
      say(text);
    }
  }

  end(): void {
    if (process.stdout.isTTY) process.stdout.write("\n");
  }
}
