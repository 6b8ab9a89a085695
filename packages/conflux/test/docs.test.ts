import { readdirSync, readFileSync } from "node:fs";
import { destroyReasonName } from "@allium/cell";
import { assert, describe, it } from "@effect/vitest";
import { type ConfluxRule, violationTable } from "../src/index.ts";
import { newReceiver, newSender, over } from "./examples/both-ends.ts";
import { roundRobin } from "./examples/round-robin.ts";
import { leg } from "./support/leg.ts";

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

describe("what the README shows", () => {
  it("is a part of what runs here", () => {
    const examples = readdirSync(new URL("examples/", import.meta.url)).map((name) => read(`examples/${name}`));
    const blocks = [...read("../README.md").matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1] as string);
    assert.strictEqual(blocks.length, 2);
    for (const block of blocks) assert.isTrue(examples.some((example) => example.includes(block)));
  });

  it("brings trains over two legs in order, and waits when there is no room", () => {
    const [sender, receiver] = [newSender(), newReceiver()];
    const fast = leg({ leg: 0, rttUs: 10 });
    const slow = leg({ leg: 1, rttUs: 20 });
    for (const name of [0, 1]) {
      sender.sequence.addLeg(name, 0);
      receiver.sequence.addLeg(name, 0);
    }
    const first = { cells: 3 };
    const second = { cells: 4 };
    assert.deepStrictEqual(over(first, [fast, slow], sender, receiver), [first]);
    assert.deepStrictEqual(over(second, [{ ...fast, room: 0 }, slow], sender, receiver), [second]);
    assert.deepStrictEqual(over(first, [{ ...fast, room: 0 }], sender, receiver), []);
    assert.strictEqual(receiver.sequence.delivered, 7);
  });

  it("has a scheduler that takes turns among the ready", () => {
    const legs = [leg({ leg: 0 }), leg({ leg: 1, blocked: true }), leg({ leg: 2 })];
    const after = (current: number) => roundRobin.choose(legs, { current, previous: -1 })?.leg;
    assert.deepStrictEqual([after(-1), after(0), after(2)], [0, 2, 0]);
    assert.isUndefined(roundRobin.choose([leg({ leg: 0, room: 0 })], { current: -1, previous: -1 }));
  });

  it("has every violation, as it is in the code", () => {
    const rows = Object.entries(violationTable as Readonly<Record<string, ConfluxRule>>).map(
      ([name, { what, from, by, ends, reason }]) =>
        `| \`${name}\` | ${what} | ${from} | ${by} | ${ends === "nothing" ? "nothing" : `the ${ends}: ${destroyReasonName(reason)}`} |`,
    );
    const table = [
      "| rule | what the peer did | from | noticed by | ends |",
      "| --- | --- | --- | --- | --- |",
      ...rows,
    ];
    const [, written = ""] = read("../README.md").split("held to it by a test. -->");
    assert.strictEqual(written.trim(), table.join("\n"));
  });
});
