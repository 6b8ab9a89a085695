import { readFileSync } from "node:fs";
import { assert, describe, it } from "@effect/vitest";
import { hostileCaches } from "../hostile/cases/caches.ts";
import { hostilePage, PAGE_MARK } from "../hostile/page.ts";
import { hostileRelays } from "../hostile/table.ts";

const page = readFileSync(new URL("../../../docs/hostile-relays.md", import.meta.url), "utf8");

describe("the table of hostile relays and directories", () => {
  it("is in the documentation as it is: else run `node test/memory-network/hostile/main.ts`", () => {
    const [, written = ""] = page.split(PAGE_MARK);
    assert.strictEqual(written.trim(), hostilePage().trim());
  });

  it("has no two cases of one name", () => {
    const names = [...hostileRelays, ...hostileCaches].flatMap(({ title, cases }) =>
      cases.map(({ what }) => `${title}: ${what}`),
    );
    assert.strictEqual(new Set(names).size, names.length);
  });
});
