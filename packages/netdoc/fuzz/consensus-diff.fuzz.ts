import type { FuzzTarget, Random } from "../../../test/support/fuzz.ts";
import {
  ConsensusDiff,
  ConsensusDiffError,
  consensusDigest,
  consensusSignedDigest,
  makeConsensusDiff,
} from "../src/index.ts";
import { fixture, mutateLines, nearlyRight } from "./support.ts";

const documents = ["consensus1", "consensus2"].map((name) => fixture(`arti/consdiff/${name}.txt`)) as [Buffer, Buffer];
const [base, target] = documents;
const diff = fixture("arti/consdiff/diff1.txt");

const commands = ["1d", "2,5d", "3,$d", "4c", "4,6c", "0a", "7a", ".", "99999a", "2,1d", "", "x"];

/** A diff of commands drawn at random; with a promise that may be kept. */
const drawn = (random: Random): Buffer => {
  const lines = Array.from({ length: random.below(12) }, () => random.pick(commands));
  const from = random.oneIn(8) ? "0".repeat(64) : consensusSignedDigest(base);
  return Buffer.from(
    ["network-status-diff-version 1", `hash ${from} ${consensusDigest(target)}`, ...lines, ""].join("\n"),
  );
};

const tolerate = <A>(run: () => A): A | undefined => {
  try {
    return run();
  } catch (error) {
    if (error instanceof ConsensusDiffError) return undefined;
    throw error;
  }
};

export const targets: ReadonlyArray<FuzzTarget> = [
  {
    name: "netdoc consensus diff, applied",
    run: (random) => {
      const text = random.oneIn(2) ? nearlyRight(random, diff) : drawn(random);
      const parsed = tolerate(() => ConsensusDiff.parse(text));
      if (parsed === undefined) return;
      const result = tolerate(() => parsed.apply(random.oneIn(4) ? nearlyRight(random, base) : base));
      if (result !== undefined && consensusDigest(result) !== parsed.to)
        throw new Error("a consensus that was not promised");
    },
  },
  {
    name: "netdoc consensus diff, made",
    run: (random) => {
      const [from, to] = [0, 1].map(() =>
        random.oneIn(8) ? nearlyRight(random, base) : mutateLines(random, random.pick(documents)),
      ) as [Buffer, Buffer];
      const made = tolerate(() => makeConsensusDiff(from, to));
      if (made !== undefined && !ConsensusDiff.parse(made).apply(from).equals(to))
        throw new Error("a diff that leads elsewhere");
    },
  },
];
