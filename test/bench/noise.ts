import { createHash } from "node:crypto";

/** How evenly the machine worked while nothing was measured. */
export interface Noise {
  /** How long a fixed piece of work took, in milliseconds: at best, in the middle, and in the worst twentieth. */
  readonly best: number;
  readonly median: number;
  readonly p95: number;
}

/** Times a fixed piece of work now and then: on a quiet machine it always takes the same. */
export class NoiseMeter {
  private readonly times: Array<number> = [];
  private readonly bytes = Buffer.alloc(2_000_000, 0x61);

  /** Takes a fifth of a second. To be called while nothing is measured. */
  sample(): void {
    const until = performance.now() + 200;
    while (performance.now() < until) {
      const began = performance.now();
      createHash("sha256").update(this.bytes).digest();
      this.times.push(performance.now() - began);
    }
  }

  read(): Noise {
    const sorted = [...this.times].sort((one, other) => one - other);
    const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN;
    return { best: at(0), median: at(0.5), p95: at(0.95) };
  }
}

/** `a fixed piece of work took 1.2 ms at best, 1.0 times that in the middle, 1.3 times in the worst twentieth`. */
export const formatNoise = ({ best, median, p95 }: Noise): string =>
  `a fixed piece of work took ${best.toFixed(1)} ms at best, ${(median / best).toFixed(1)} times that in the middle, ` +
  `${(p95 / best).toFixed(1)} times in the worst twentieth`;
