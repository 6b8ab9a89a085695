import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { assert, describe, it } from "@effect/vitest";
import type { FuzzTarget } from "../support/fuzz.ts";

const ROOT = resolve(import.meta.dirname, "../..");

describe("the page on fuzzing", () => {
  it("has a line of figures for each target, and for no other", async () => {
    const files = globSync("{packages,apps}/*/fuzz/*.fuzz.ts", { cwd: ROOT });
    const modules = await Promise.all(
      files.map(
        async (file) =>
          (await import(pathToFileURL(resolve(ROOT, file)).href)) as { targets: ReadonlyArray<FuzzTarget> },
      ),
    );
    const names = modules.flatMap(({ targets }) => targets.map(({ name }) => name)).sort();
    const page = readFileSync(resolve(ROOT, "docs/fuzzing.md"), "utf8");
    const [, figures = ""] = page.split("## Figures");
    const listed = [...figures.matchAll(/^\| `[\w/]+` \| (.+?) \|/gm)].map(([, name = ""]) => name).sort();
    assert.deepStrictEqual(listed, names);
  });
});
