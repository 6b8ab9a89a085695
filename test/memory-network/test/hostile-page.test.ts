import { assert, describe, it } from "@effect/vitest";
import { writtenTables } from "../../support/case-page.ts";
import { hostileCaches } from "../hostile/cases/caches.ts";
import { hostilePage } from "../hostile/page.ts";
import { hostileRelays } from "../hostile/table.ts";

describe("the table of hostile relays and directories", () => {
  it("is in the documentation as it is: else run `node test/memory-network/hostile/main.ts`", () => {
    assert.strictEqual(writtenTables(hostilePage), hostilePage.tables().trim());
  });

  it("has no two cases of one name", () => {
    const names = [...hostileRelays, ...hostileCaches].flatMap(({ title, cases }) =>
      cases.map(({ what }) => `${title}: ${what}`),
    );
    assert.strictEqual(new Set(names).size, names.length);
  });
});
