import { readFileSync } from "node:fs";
import type { Random } from "../../../test/support/fuzz.ts";
import { NetdocError, PolicyError, ValidityError, VerificationError } from "../src/index.ts";

/** A document of the tests' fixtures. */
export const fixture = (path: string): Buffer => readFileSync(new URL(`../test/fixtures/${path}`, import.meta.url));

/** Lines taken out, doubled, exchanged or moved: what bytes drawn at random hardly ever do. */
export const mutateLines = (random: Random, text: Buffer): Buffer => {
  const lines = text.toString("latin1").split("\n");
  const rounds = 1 + random.below(3);
  for (let round = 0; round < rounds; round++) {
    const at = random.below(lines.length);
    const other = random.below(lines.length);
    switch (random.below(4)) {
      case 0:
        lines.splice(at, 1 + random.below(3));
        break;
      case 1:
        lines.splice(at, 0, lines[other] ?? "");
        break;
      case 2:
        lines[at] = lines[other] ?? "";
        break;
      default:
        lines[at] = mutateWords(random, lines[at] ?? "");
    }
  }
  return Buffer.from(lines.join("\n"), "latin1");
};

const words = [
  "",
  "0",
  "-1",
  "1-65535",
  "4294967296",
  "=",
  "a=b",
  "*",
  "[::]",
  "AAAA",
  "2038-01-19",
  "00:00:00",
  "opt",
  "é",
  "\0",
];

const mutateWords = (random: Random, line: string): string => {
  const parts = line.split(" ");
  parts[random.below(parts.length)] = random.pick(words);
  return parts.join(" ");
};

/** A document that is nearly right: bytes or lines of it changed; now and then nothing but noise. */
export const nearlyRight = (random: Random, text: Buffer): Buffer =>
  random.oneIn(40)
    ? random.bytes(random.below(300))
    : random.oneIn(2)
      ? random.mutate(text)
      : mutateLines(random, text);

/** Runs a parser; errors of this package are answers, anything else is a finding. */
export const tolerate = <A>(run: () => A): A | undefined => {
  try {
    return run();
  } catch (error) {
    if (
      error instanceof NetdocError ||
      error instanceof VerificationError ||
      error instanceof ValidityError ||
      error instanceof PolicyError
    )
      return undefined;
    throw error;
  }
};
