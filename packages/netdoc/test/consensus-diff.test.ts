import {
  ConsensusDiff,
  ConsensusDiffError,
  type ConsensusDiffProblem,
  consensusDigest,
  consensusSignedDigest,
  isConsensusDiff,
  makeConsensusDiff,
} from "@allium/netdoc";
import { assert, describe, it } from "@effect/vitest";
import { Random } from "../../../test/support/fuzz.ts";
import { caught } from "./support/caught.ts";
import { fixture } from "./support/fixtures.ts";

const apply = (diff: Buffer, base: Buffer): Buffer => ConsensusDiff.parse(diff).apply(base);

const head = "network-status-version 3 microdesc\nvote-status consensus\n";
const signature = (name: string): string =>
  `directory-signature ${name} key\n-----BEGIN SIGNATURE-----\n${name}\n-----END SIGNATURE-----\n`;

/** A text that diffs take for a consensus. */
const consensus = (body: string, signatures = signature("one")): Buffer => Buffer.from(head + body + signatures);

const relay = (name: string, ...lines: ReadonlyArray<string>): string =>
  `r ${name} ${name}Identity 2038-01-01\n${lines.map((line) => `${line}\n`).join("")}`;

/** The commands of a diff, without its two first lines. */
const commands = (diff: Buffer): ReadonlyArray<string> => diff.toString("latin1").split("\n").slice(2, -1);

/** A diff with these commands that starts from a consensus; what comes of it is not told. */
const diffOf = (base: Buffer, ...lines: ReadonlyArray<string>): Buffer =>
  Buffer.from(
    [`network-status-diff-version 1`, `hash ${consensusSignedDigest(base)} ${"0".repeat(64)}`, ...lines, ""].join("\n"),
  );

const problemOf = (
  run: () => unknown,
): { readonly problem: ConsensusDiffProblem; readonly line: number | undefined } => {
  const { problem, line } = caught(ConsensusDiffError, run);
  return { problem, line };
};

describe("applying a consensus diff", () => {
  const [base, target, diff] = ["consensus1", "consensus2", "diff1"].map((name) =>
    fixture(`arti/consdiff/${name}.txt`),
  ) as [Buffer, Buffer, Buffer];

  it("gives the consensus of Arti's test data", () => {
    assert.isTrue(isConsensusDiff(diff));
    assert.isFalse(isConsensusDiff(base));
    const parsed = ConsensusDiff.parse(diff);
    assert.strictEqual(parsed.from, consensusSignedDigest(base));
    assert.strictEqual(parsed.to, consensusDigest(target));
    assert.isTrue(parsed.apply(base).equals(target));
  });

  it("does not mind which signatures the base has", () => {
    const end = base.indexOf("directory-signature ");
    const otherwise = Buffer.concat([base.subarray(0, end), Buffer.from(signature("other"))]);
    assert.strictEqual(consensusSignedDigest(otherwise), consensusSignedDigest(base));
    assert.isTrue(apply(diff, otherwise).equals(target));
  });

  it("refuses another base, and a result that was not promised", () => {
    assert.deepStrictEqual(
      problemOf(() => apply(diff, target)),
      { problem: "wrong-base", line: undefined },
    );
    const spoilt = Buffer.from(diff.toString("latin1").replace("\n75a\n", "\n74a\n"));
    assert.deepStrictEqual(
      problemOf(() => apply(spoilt, base)),
      { problem: "wrong-result", line: undefined },
    );
  });

  it("does what each command of the subset says, from the last line to the first", () => {
    const from = consensus("a\nb\nc\nd\ne\nf\n");
    const to = consensus("a\nB\nC\nd\nnew\ne\n", signature("two"));
    const script = [
      "9,$d",
      "8d",
      "8a",
      ...signature("two").trimEnd().split("\n"),
      ".",
      "6a",
      "new",
      ".",
      "4,5c",
      "B",
      "C",
      ".",
    ];
    const text = [
      "network-status-diff-version 1",
      `hash ${consensusSignedDigest(from)} ${consensusDigest(to).toLowerCase()}`,
      ...script,
      "",
    ].join("\n");
    // "8d" takes line 8 out, behind which "8a" would add.
    assert.deepStrictEqual(
      problemOf(() => apply(Buffer.from(text), from)),
      { problem: "out-of-order", line: 5 },
    );
    const right = text.replace("\n8d\n8a\n", "\n8c\n");
    assert.strictEqual(apply(Buffer.from(right), from).toString(), to.toString());
  });

  const small = consensus("a\nb\n");
  const malformed: ReadonlyArray<
    readonly [what: string, diff: Buffer | string, ConsensusDiffProblem, number | undefined]
  > = [
    ["nothing", "", "missing-newline", undefined],
    ["no end of its last line", "network-status-diff-version 1", "missing-newline", undefined],
    ["another version", "network-status-diff-version 2\n", "unknown-version", 1],
    ["no digests", "network-status-diff-version 1\n", "bad-digests", 2],
    ["one digest", `network-status-diff-version 1\nhash ${"A".repeat(64)}\n`, "bad-digests", 2],
    ["short digests", `network-status-diff-version 1\nhash ${"A".repeat(63)} ${"A".repeat(64)}\n`, "bad-digests", 2],
    ["an empty line", diffOf(small, ""), "bad-command", 3],
    ["another command of ed", diffOf(small, "1,2m3"), "bad-command", 3],
    ["a command that is too long", diffOf(small, `${"1".repeat(30)}d`), "bad-command", 3],
    ["a number that is too long", diffOf(small, "1234567890d"), "bad-command", 3],
    ["line 0 deleted", diffOf(small, "0d"), "bad-range", 3],
    ["line 0 changed", diffOf(small, "0,1c", "x", "."), "bad-range", 3],
    ["a range that ends before it begins", diffOf(small, "3,2d"), "bad-range", 3],
    ["a range to be added to", diffOf(small, "1,2a", "x", "."), "bad-range", 3],
    ["a change up to the end", diffOf(small, "1,$c", "x", "."), "bad-range", 3],
    ["lines that are not there", diffOf(small, "100d"), "bad-range", 3],
    ["no lines up to the end", diffOf(small, "9,$d"), "bad-range", 3],
    ["lines of the command before", diffOf(small, "2,4d", "4d"), "out-of-order", 4],
    ["the end, and it is gone", diffOf(small, "3,$d", "2,$d"), "bad-range", 4],
    ["nothing added", diffOf(small, "1a", "."), "bad-insertion", 3],
    ["an addition without an end", diffOf(small, "1a", "x"), "bad-insertion", 3],
  ];

  it.each(malformed)("refuses a diff with %s", (_, text, problem, line) => {
    assert.deepStrictEqual(
      problemOf(() => apply(Buffer.from(text), small)),
      { problem, line },
    );
  });
});

describe("making a consensus diff", () => {
  const check = (base: Buffer, target: Buffer): Buffer => {
    const diff = makeConsensusDiff(base, target);
    assert.strictEqual(apply(diff, base).toString("latin1"), target.toString("latin1"));
    return diff;
  };

  it("takes the signatures out, and then says what has changed, from the end to the beginning", () => {
    const base = consensus(
      `${relay("ann", "s Fast", "w 1")}${relay("bob", "s Fast", "w 2")}${relay("eve", "w 3")}footer\n`,
    );
    const target = consensus(
      `${relay("ann", "s Fast", "w 9")}${relay("cid", "w 4")}${relay("eve", "w 3", "p accept")}footer\n`,
      signature("two"),
    );
    assert.deepStrictEqual(commands(check(base, target)), [
      "12,$d",
      "11a",
      ...signature("two").trimEnd().split("\n"),
      ".",
      "10a",
      "p accept",
      ".",
      "5,8c",
      "w 9",
      ...relay("cid", "w 4").trimEnd().split("\n"),
      ".",
    ]);
  });

  it("is short for real consensuses that differ little", () => {
    const base = fixture("tor/consensus-microdesc");
    const target = Buffer.from(base.toString("latin1").replace(/^w Bandwidth=\d+/m, "w Bandwidth=77"), "latin1");
    const diff = check(base, target);
    assert.deepStrictEqual(commands(diff).filter((line) => /^\d+(?:,[\d$]+)?[acd]$/.test(line)).length, 3);
    check(target, base);
    check(base, base);
  });

  it("leads from any consensus to any other", () => {
    const random = new Random(7);
    const words = ["s Fast", "s Fast Guard", "w 1", "w 2", "v Tor", ""];
    const draw = (): Buffer => {
      const names = ["a", "b", "c", "d", "e", "f"].filter(() => random.oneIn(2));
      // Now and then in the wrong order, and with a relay twice.
      if (random.oneIn(4)) names.reverse();
      if (random.oneIn(4)) names.push("a");
      const entries = names.map((name) => relay(name, ...words.filter(() => random.oneIn(2))));
      return consensus(entries.join(""), signature("x").repeat(1 + random.below(3)));
    };
    for (let round = 0; round < 500; round++) check(draw(), draw());
  });

  it("replaces as a whole what has too little in common to be compared line by line", () => {
    const many = (word: string): string => Array.from({ length: 300 }, (_, n) => `${word} ${n}\n`).join("");
    const base = consensus(`${many("x")}both\n${many("x")}`);
    const target = consensus(`${many("y")}both\n${many("y")}`);
    assert.include(commands(check(base, target)), "3,603c");
  });

  it("is not made of what is no consensus, nor of a line that no diff can carry", () => {
    const good = consensus("a\n");
    const unsigned = Buffer.from(`${head}a\n`);
    assert.strictEqual(problemOf(() => makeConsensusDiff(unsigned, good)).problem, "no-consensus");
    assert.strictEqual(problemOf(() => makeConsensusDiff(good, unsigned)).problem, "no-consensus");
    assert.strictEqual(problemOf(() => makeConsensusDiff(good, Buffer.from("router x\n"))).problem, "no-consensus");
    assert.strictEqual(problemOf(() => makeConsensusDiff(good, consensus("a\n.\n"))).problem, "no-consensus");
    assert.strictEqual(problemOf(() => makeConsensusDiff(good, good.subarray(0, -1))).problem, "missing-newline");
    assert.strictEqual(problemOf(() => makeConsensusDiff(good.subarray(0, -1), good)).problem, "missing-newline");
  });
});
