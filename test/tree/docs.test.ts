import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { assert, describe, it } from "@effect/vitest";
import { Duration } from "effect";
import { publicTiming, testTiming } from "../../packages/directory/src/timing.ts";

const ROOT = resolve(import.meta.dirname, "../..");

const glob = (...patterns: ReadonlyArray<string>): ReadonlyArray<string> =>
  globSync(patterns, { cwd: ROOT, exclude: ["**/node_modules/**", "dist/**"] })
    .sort()
    .map((path) => join(ROOT, path));

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

/** The text without code, in which brackets and hashes mean something else. */
const prose = (markdown: string): string => markdown.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "code");

/** The anchors of a page's headings, as forges make them. */
const anchors = (markdown: string): ReadonlySet<string> =>
  new Set(
    [...markdown.replace(/^```[\s\S]*?^```/gm, "").matchAll(/^#+ +(.+)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .trim()
        .replace(/\s/g, "-"),
    ),
  );

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** The first time that a cell of a table tells, in milliseconds. */
const millisOf = (cell: string): number | undefined => {
  const [, number = "", unit = ""] = /(\d+) (ms|s|min|h|d)\b/.exec(cell) ?? [];
  return number === "" ? undefined : Number(number) * (UNITS[unit] as number);
};

/** The rows of a page's tables, cell by cell. */
const rows = (page: string): ReadonlyArray<ReadonlyArray<string>> =>
  read(page)
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) =>
      line
        .split("|")
        .map((cell) => cell.trim())
        .slice(1, -1),
    );

/** A time of the code in milliseconds; undefined for what is none. */
const millisOfConstant = (name: string, value: unknown): number | undefined => {
  if (typeof value === "string") return Duration.toMillis(value as Duration.Input);
  if (Duration.isDuration(value)) return Duration.toMillis(value);
  if (typeof value !== "number") return undefined;
  if (name.endsWith("_MILLIS")) return value;
  return name.endsWith("_TTL") ? value * 1_000 : undefined;
};

const sources = glob("packages/*/src/**/*.ts", "apps/*/src/**/*.ts").map((path) => readFileSync(path, "utf8"));

describe("documentation", () => {
  it("links to what is there", () => {
    const broken: Array<string> = [];
    for (const page of glob("**/*.md")) {
      for (const [, target = ""] of prose(readFileSync(page, "utf8")).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [path = "", anchor] = target.split("#");
        const file = path === "" ? page : resolve(dirname(page), path);
        const found =
          existsSync(file) &&
          (anchor === undefined || (statSync(file).isFile() && anchors(readFileSync(file, "utf8")).has(anchor)));
        if (!found) broken.push(`${relative(ROOT, page)}: ${target}`);
      }
    }
    assert.deepStrictEqual(broken, []);
  });

  it("names every dependency, and no other", () => {
    const used = new Set(
      glob("package.json", "packages/*/package.json", "apps/*/package.json").flatMap((path) => {
        const manifest = JSON.parse(readFileSync(path, "utf8")) as Record<string, Record<string, string> | undefined>;
        return Object.keys({ ...manifest["dependencies"], ...manifest["devDependencies"] });
      }),
    );
    const named = [...read("docs/dependencies.md").matchAll(/^\| `([^`]+)` \|/gm)].map(([, name = ""]) => name);
    const packages = named.filter((name) => !name.startsWith("node:"));
    assert.deepStrictEqual(packages.sort(), [...used].filter((name) => !name.startsWith("@allium/")).sort());
    const modules = new Set(
      sources.flatMap((text) => [...text.matchAll(/from "(node:[a-z]+)"/g)].map(([, name]) => name)),
    );
    for (const name of named.filter((name) => name.startsWith("node:"))) assert.isTrue(modules.has(name), name);
  });

  it("lists every time and bound that a package keeps in its table of them", () => {
    const listed = `${read("docs/timers.md")}${read("docs/buffers.md")}`;
    const missing = glob("packages/*/src/**/{timeouts,timing,limits,ttl}.ts").flatMap((path) => {
      const text = readFileSync(path, "utf8");
      const constants = [...text.matchAll(/^export const ([A-Z][A-Z0-9_]+)\b/gm)];
      const fields = [...text.matchAll(/^ {2}readonly (\w+): Duration/gm)];
      return [...constants, ...fields]
        .map(([, name = ""]) => name)
        .filter((name) => !listed.includes(`\`${name}\``))
        .map((name) => `${relative(ROOT, path)}: ${name}`);
    });
    assert.deepStrictEqual(missing, []);
  });

  it("gives every time as it is in the code", async () => {
    const known = new Map<string, Array<number>>();
    for (const path of glob("packages/*/src/**/{timeouts,limits,ttl}.ts")) {
      for (const [name, value] of Object.entries((await import(path)) as Record<string, unknown>)) {
        const millis = millisOfConstant(name, value);
        if (millis !== undefined) known.set(name, [...(known.get(name) ?? []), millis]);
      }
    }
    const checked = new Set<string>();
    for (const [, nameCell = "", value = ""] of rows("docs/timers.md")) {
      const [, name = ""] = /^`([A-Z][A-Z0-9_]+)`/.exec(nameCell) ?? [];
      const values = known.get(name);
      if (values === undefined) continue;
      checked.add(name);
      assert.include(values, millisOf(value), `${name}: ${value}`);
    }
    assert.deepStrictEqual([...known.keys()].sort(), [...checked].sort());
  });

  it("gives every time of the directory, in both kinds of network", () => {
    const table = rows("docs/timers.md").filter((row) => row.length === 5);
    for (const [name, time] of Object.entries(publicTiming)) {
      const row = table.find((cells) => cells[1] === `\`${name}\``);
      const told = row?.slice(2, 4).map(millisOf);
      const inTest = testTiming[name as keyof typeof testTiming];
      assert.deepStrictEqual(told, [Duration.toMillis(time), Duration.toMillis(inTest)], name);
    }
  });

  it("names no class or constant that is not in the code any more", () => {
    const words = new Set(sources.flatMap((text) => text.match(/\b[A-Za-z_]\w+\b/g) ?? []));
    const gone = ["docs/timers.md", "docs/buffers.md", "docs/architecture.md"].flatMap((page) =>
      [...read(page).matchAll(/`([A-Z]\w+)`/g)]
        .map(([, name = ""]) => name)
        // Effect's own clock for tests.
        .filter((name) => !words.has(name) && name !== "TestClock")
        .map((name) => `${page}: ${name}`),
    );
    assert.deepStrictEqual(gone, []);
  });

  it("has every decision in its index, with context, choice and consequence", () => {
    const index = read("docs/README.md");
    const decisions = glob("docs/decisions/*.md");
    assert.isAbove(decisions.length, 0);
    for (const path of decisions) {
      const text = readFileSync(path, "utf8");
      const [, number = "", title = ""] = /^# (\d+)\. (.+)$/m.exec(text) ?? [];
      const name = relative(join(ROOT, "docs"), path);
      assert.match(name, new RegExp(`^decisions/0*${number}-`));
      assert.include(index, `${number}. [${title}](${name})`);
      assert.match(text, /^\d{4}-\d{2}-\d{2}, (accepted|replaced by )/m);
      const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
      assert.deepStrictEqual(headings, ["Context", "Choice", "Consequence"], name);
    }
  });
});
