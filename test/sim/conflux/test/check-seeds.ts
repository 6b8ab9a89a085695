import { assert, it } from "@effect/vitest";
import { simulate } from "../simulate.ts";

/** Seeds of one test. */
const CHUNK = 500;

/** Plays seeds, so many a test. A test that fails names the seeds, what is wrong with each, and the command that replays it alone. */
export const checkSeeds = (first: number, count: number): void => {
  for (let from = first; from < first + count; from += CHUNK) {
    it(`${from} to ${from + CHUNK - 1}`, async () => {
      const failed: Array<string> = [];
      for (let seed = from; seed < from + CHUNK; seed++) {
        const { complaints } = await simulate(seed);
        if (complaints.length > 0) failed.push(`npm run sim -- --seed ${seed} --trace: ${complaints.join("; ")}`);
      }
      assert.deepStrictEqual(failed, []);
    });
  }
};
