import { assert, describe, it } from "@effect/vitest";
import { AnswerTable } from "../../src/exit/answer-table.ts";

describe("AnswerTable", () => {
  it("gives an answer until its time is over", () => {
    const table = new AnswerTable<string>(10);
    table.set("a", "answer", 60, 1_000);
    assert.strictEqual(table.get("a", 60_999), "answer");
    assert.isUndefined(table.get("a", 61_000));
    assert.strictEqual(table.size, 0);
  });

  it("replaces an answer, and its time", () => {
    const table = new AnswerTable<string>(1);
    table.set("a", "old", 60, 0);
    table.set("a", "new", 60, 30_000);
    assert.strictEqual(table.get("a", 80_000), "new");
  });

  it("holds as many as it may: the one that has been there longest makes room", () => {
    const table = new AnswerTable<number>(3);
    for (let name = 0; name < 5; name++) table.set(`${name}`, name, 3_600, name);
    assert.deepStrictEqual(
      [0, 1, 2, 3, 4].map((name) => table.get(`${name}`, 10)),
      [undefined, undefined, 2, 3, 4],
    );
    assert.strictEqual(table.size, 3);
  });

  it("forgets what nobody asked for again, once its time is over and others come", () => {
    const table = new AnswerTable<string>(100);
    for (let name = 0; name < 50; name++) table.set(`${name}`, "short", 60, 0);
    table.set("long", "long", 3_600, 0);
    table.set("later", "later", 60, 120_000);
    assert.strictEqual(table.size, 2);
    assert.strictEqual(table.get("long", 120_000), "long");
  });
});
