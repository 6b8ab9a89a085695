import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { scanLog } from "../network/index.ts";

const BACK = "Nov 21 19:24:53.000 [warn] Client asked me to extend back to the previous hop.";
const FAILED = "Nov 21 19:24:53.000 [warn] connection_edge_process_relay_cell (away from origin) failed.";

describe("what a private network's logs warn of", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "allium-log-scan-"));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const found = (lines: ReadonlyArray<string>): ReadonlyArray<string> => {
    const file = join(directory, "log");
    writeFileSync(file, lines.join("\n"));
    return scanLog(file, [/allowed here/]).map(({ text }) => text);
  };

  it("is what no list allows", () => {
    assert.deepStrictEqual(found(["[notice] fine", "[warn] allowed here", "[warn] odd", "level=ERROR worse"]), [
      "[warn] odd",
      "level=ERROR worse",
    ]);
  });

  it("is not what only follows from a line that is allowed", () => {
    assert.deepStrictEqual(found([BACK, FAILED]), []);
    assert.deepStrictEqual(found(["[notice] fine", FAILED]), [FAILED]);
    assert.deepStrictEqual(found([FAILED]), [FAILED]);
  });

  it("is not that either when two of its torrc's lines ask for it, and all is logged twice", () => {
    assert.deepStrictEqual(found([BACK, BACK, FAILED, FAILED]), []);
    assert.deepStrictEqual(found(["[notice] fine", FAILED, FAILED]), [FAILED, FAILED]);
  });
});
