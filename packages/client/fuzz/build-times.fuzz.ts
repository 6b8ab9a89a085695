import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import { BuildTimeStateError, BuildTimes, historyLength, readBuildTimeState } from "../src/build-times/index.ts";

const numbers = [
  0,
  5,
  15,
  -5,
  1.5,
  1000,
  1001,
  2_147_483_645,
  2_147_483_655,
  1e308,
  Number.NaN,
  Number.POSITIVE_INFINITY,
];

/** Something that a file may hold, seldom what it should. */
const anything = (random: Random, depth: number): unknown => {
  switch (random.below(depth === 0 ? 5 : 7)) {
    case 0:
      return random.pick(numbers);
    case 1:
      return null;
    case 2:
      return random.pick(["", "1", "bins", "__proto__"]);
    case 3:
      return random.oneIn(2);
    case 4:
      return undefined;
    case 5:
      return Array.from({ length: random.below(4) }, () => anything(random, depth - 1));
    default:
      return { version: random.pick([1, 1, 1, 2, "1"]), bins: anything(random, depth - 1) };
  }
};

/** A history as it was written, with a few bytes of it changed. */
const changed = (random: Random): unknown => {
  const bins = Array.from({ length: random.below(20) }, (_, index) => [index * 10 + 5, 1 + random.below(90)]);
  if (bins.length > 0 && random.oneIn(3))
    bins[random.below(bins.length)] = [random.pick(numbers), random.pick(numbers)];
  const text = Buffer.from(JSON.stringify({ version: 1, bins }));
  try {
    return JSON.parse((random.oneIn(2) ? random.mutate(text) : text).toString("utf8"));
  } catch {
    return bins;
  }
};

/** What was stored is read, or refused by a typed error; what was read is bounded, and comes back. */
export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "client build times, stored",
    run: (random) => {
      const value = random.oneIn(3) ? anything(random, 4) : changed(random);
      try {
        const state = readBuildTimeState(value);
        const uniform = () => random.below(0x1_0000_0000) / 0x1_0000_0000;
        const buildTimes = BuildTimes.fromState(state, () => undefined, { uniform });
        if (buildTimes.count > historyLength) throw new Error("more build times than are kept");
        if (JSON.stringify(buildTimes.toState()) !== JSON.stringify(state)) throw new Error("another histogram");
        const { timeoutMs, closeMs } = buildTimes.timeouts();
        if (!(timeoutMs > 0 && timeoutMs <= closeMs)) throw new Error(`timeouts ${timeoutMs} and ${closeMs}`);
      } catch (error) {
        if (!(error instanceof BuildTimeStateError)) throw error;
      }
    },
  },
];
