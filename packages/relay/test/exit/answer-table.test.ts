import { MemoryQuota } from "@allium/kernel";
import { assert, describe, it } from "@effect/vitest";
import { AnswerTable } from "../../src/exit/answer-table.ts";

describe("AnswerTable", () => {
  it("gives an answer until its time is over", () => {
    const table = new AnswerTable<string>(10, new MemoryQuota());
    table.set("a", "answer", 60, 1_000);
    assert.strictEqual(table.get("a", 60_999), "answer");
    assert.isUndefined(table.get("a", 61_000));
    assert.strictEqual(table.size, 0);
  });

  it("replaces an answer, and its time", () => {
    const table = new AnswerTable<string>(1, new MemoryQuota());
    table.set("a", "old", 60, 0);
    table.set("a", "new", 60, 30_000);
    assert.strictEqual(table.get("a", 80_000), "new");
  });

  it("holds as many as it may: the one that has been there longest makes room", () => {
    const table = new AnswerTable<number>(3, new MemoryQuota());
    for (let name = 0; name < 5; name++) table.set(`${name}`, name, 3_600, name);
    assert.deepStrictEqual(
      [0, 1, 2, 3, 4].map((name) => table.get(`${name}`, 10)),
      [undefined, undefined, 2, 3, 4],
    );
    assert.strictEqual(table.size, 3);
  });

  it("forgets what nobody asked for again, once its time is over and others come", () => {
    const table = new AnswerTable<string>(100, new MemoryQuota());
    for (let name = 0; name < 50; name++) table.set(`${name}`, "short", 60, 0);
    table.set("long", "long", 3_600, 0);
    table.set("later", "later", 60, 120_000);
    assert.strictEqual(table.size, 2);
    assert.strictEqual(table.get("long", 120_000), "long");
  });

  it("is charged for what it keeps, and gives up the oldest when memory is short", () => {
    const quota = new MemoryQuota({ limit: 100_000 });
    const table = new AnswerTable<number>(1_000, quota);
    for (let name = 0; name < 100; name++) table.set(`host-${100 + name}`, name, 3_600, 0);
    const each = quota.used / 100;
    assert.isAbove(each, 100);
    table.set("host-100", 0, 3_600, 0);
    assert.strictEqual(quota.used, 100 * each);
    quota.open({ name: "others", policy: "fixed" }).adjust(90_000);
    for (const _ of quota.reclaim());
    const left = Math.floor(10_000 / each);
    assert.strictEqual(table.size, left);
    assert.strictEqual(quota.used, 90_000 + left * each);
    assert.strictEqual(table.get("host-199", 1), 99);
    assert.isUndefined(table.get("host-101", 1));
    table.close();
    assert.strictEqual(quota.used, 90_000);
    assert.strictEqual(table.size, 0);
  });
});
