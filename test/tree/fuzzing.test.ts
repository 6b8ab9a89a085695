import { execFile } from "node:child_process";
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { assert, describe, it } from "@effect/vitest";
import type { FuzzTarget } from "../support/fuzz.ts";

const ROOT = resolve(import.meta.dirname, "../..");

describe("the page on fuzzing", () => {
  it("has a line of figures for each target, and for no other", { timeout: 60_000 }, async () => {
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

/** What is named like a parser: a function or class that is exported, or a static method `parse`. */
const PARSER =
  /^export (?:const|(?:async )?function\*?|class) ((?:parse|decode|read|unpack)[A-Z]\w*|\w+(?:Reader|Decoder|Parser))\b([^\n]*)|^ +static (parse)\(/gm;

/** Readers of messages, each made of the codecs of some: every message has a target of its own. */
const MADE_OF_CODECS = /= (?:relay|channel)MessageReader\(/;

/** What is named like a parser, and meets no bytes of others by itself; what does instead. */
const NONE: Readonly<Record<string, string>> = {
  decodeHex: "text of ours, which was parsed as hexadecimal before",
  OwnReader: "documents of ours",
  readCacheFile: "the bytes of a file; documents in it are parsed as those that come",
  readConfig: "hands a file to decodeConfig",
  readContent: "hands a key file to its parser",
  readIdentity: "the same, for two of them",
  readKeyFile: "the bytes of a key file",
  readNameServers: "hands resolv.conf to its parser",
  readRequest: "hands what comes to RequestReader",
  readSettings: "puts together what was parsed",
  readStatus: "hands what comes to parseReport",
  unpackBody: "decodeBody, beside the event loop",
};

/** Functions that were called in a run of all targets, by file. */
const calledByFuzzing = async (): Promise<ReadonlyMap<string, ReadonlySet<string>>> => {
  const directory = mkdtempSync(join(tmpdir(), "allium-coverage-"));
  try {
    await promisify(execFile)(process.execPath, ["test/fuzz/main.ts", "--iterations", "150"], {
      cwd: ROOT,
      env: { ...process.env, NODE_V8_COVERAGE: directory },
    });
    const called = new Map<string, Set<string>>();
    for (const name of readdirSync(directory)) {
      const { result } = JSON.parse(readFileSync(join(directory, name), "utf8")) as {
        readonly result: ReadonlyArray<{
          readonly url: string;
          readonly functions: ReadonlyArray<{
            readonly functionName: string;
            readonly ranges: ReadonlyArray<{ readonly count: number }>;
          }>;
        }>;
      };
      for (const { url, functions } of result) {
        const names = called.get(url) ?? new Set();
        called.set(url, names);
        for (const { functionName, ranges } of functions) if (ranges[0]?.count !== 0) names.add(functionName);
      }
    }
    return called;
  } finally {
    rmSync(directory, { recursive: true });
  }
};

describe("the fuzz targets", () => {
  it("reach every parser of the tree", { timeout: 240_000 }, async () => {
    const called = await calledByFuzzing();
    const unreached: Array<string> = [];
    const met = new Set<string>();
    let parsers = 0;
    for (const file of globSync("{packages,apps}/*/src/**/*.ts", { cwd: ROOT })) {
      const path = resolve(ROOT, file);
      for (const [, exported, rest = "", method] of readFileSync(path, "utf8").matchAll(PARSER)) {
        const name = exported ?? method ?? "";
        if (MADE_OF_CODECS.test(rest)) continue;
        if (name in NONE) met.add(name);
        else if (called.get(pathToFileURL(path).href)?.has(name) === true) parsers++;
        else unreached.push(`${file}: ${name}`);
      }
    }
    assert.deepStrictEqual(unreached, []);
    assert.isAbove(parsers, 80);
    assert.deepStrictEqual([...met].sort(), Object.keys(NONE).sort());
  });
});
