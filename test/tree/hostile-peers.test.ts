import { readFileSync } from "node:fs";
import { assert, describe, it } from "@effect/vitest";
import { differences, recordedDifferences } from "../hostile/differences.ts";
import { hostilePage, PAGE_MARK } from "../hostile/page.ts";
import { readRecordings } from "../hostile/recording/recording.ts";
import { hostileCases, hostileTable } from "../hostile/table.ts";

const page = readFileSync(new URL("../../docs/hostile-peers.md", import.meta.url), "utf8");

describe("the table of hostile peers", () => {
  it("is in the documentation as it is: else run `node test/hostile/main.ts`", () => {
    const [, written = ""] = page.split(PAGE_MARK);
    const content = { table: hostileTable, differences, recordings: readRecordings(), recordedDifferences };
    assert.strictEqual(written.trim(), hostilePage(content).trim());
  });

  it("has no two cases of one name", () => {
    assert.strictEqual(new Set(hostileCases.map(({ what }) => what)).size, hostileCases.length);
  });

  it("lists differences of cases that there are, once, and only where there is one", () => {
    const names = differences.map(({ what }) => what);
    assert.strictEqual(new Set(names).size, names.length);
    for (const { what, tor } of differences) {
      const known = hostileCases.find((hostile) => hostile.what === what);
      assert.isDefined(known, what);
      assert.notStrictEqual(known?.answer, tor, what);
    }
  });
});
