import { Random as Generator } from "../../../../test/support/fuzz.ts";
import type { ParamSource } from "../../src/build-times/index.ts";
import type { Random } from "../../src/paths/random.ts";

/** Chance that is the same for the same seed. */
export const seeded = (seed: number): Random => {
  const generator = new Generator(seed);
  return { uniform: () => generator.uint32() / 0x1_0000_0000 };
};

/** The parameters of a consensus that has these. */
export const params =
  (values: Readonly<Record<string, number>> = {}): ParamSource =>
  (name) =>
    values[name];
