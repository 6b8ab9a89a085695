import { assert, describe, it } from "@effect/vitest";
import { writtenTables } from "../../../test/support/case-page.ts";
import { violationTable } from "../src/index.ts";
import type { Told } from "./hostile/case.ts";
import { hostileLegsPage } from "./hostile/page.ts";
import { hostileInitiators, hostileResponders } from "./hostile/table.ts";

const cases: ReadonlyArray<Told> = [
  ...hostileInitiators.flatMap((subject) => subject.cases),
  ...hostileResponders.flatMap((subject) => subject.cases),
];

describe("the table of hostile legs", () => {
  it("is in the documentation as it is: else run `node packages/conflux/test/hostile/main.ts`", () => {
    assert.strictEqual(writtenTables(hostileLegsPage), hostileLegsPage.tables().trim());
  });

  it("has no two cases of one name", () => {
    assert.strictEqual(new Set(cases.map(({ what }) => what)).size, cases.length);
  });

  it("has a case for each rule of conflux", () => {
    const met = new Set<unknown>(cases.map(({ rule }) => rule));
    assert.deepStrictEqual(
      Object.keys(violationTable).filter((name) => !met.has(name)),
      [],
    );
  });
});
