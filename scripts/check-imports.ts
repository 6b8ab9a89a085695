/**
 * Holds the house in order: a package imports only packages below it, by name; what it imports it declares; no cycles
 * between the files of a package. Types may name each other across files: such an import is gone when the code runs, so it
 * cannot make the order of loading matter.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** What all that speaks Tor stands on. */
const FOUNDATION = ["packages/kernel", "packages/cell", "packages/crypto", "packages/netdoc"];
const CIRCUITS = ["packages/circuit", "packages/channel", ...FOUNDATION];
/** What programs see of it: no cells. */
const PROGRAMS = [
  "packages/directory",
  "packages/circuit",
  "packages/channel",
  "packages/kernel",
  "packages/netdoc",
  "packages/crypto",
];

/** Who stands on whom. The order of design: imports run downwards only. */
const BELOW: Readonly<Record<string, ReadonlyArray<string>>> = {
  "packages/kernel": [],
  "packages/cell": [],
  "packages/crypto": [],
  "packages/netdoc": ["packages/crypto"],
  "packages/channel": FOUNDATION,
  "packages/circuit": ["packages/channel", ...FOUNDATION],
  "packages/conflux": CIRCUITS,
  "packages/directory": CIRCUITS,
  "packages/relay": ["packages/directory", "packages/conflux", ...CIRCUITS],
  "packages/client": ["packages/directory", "packages/conflux", ...CIRCUITS],
  "packages/cli": PROGRAMS,
  "apps/client": ["packages/cli", "packages/client", ...PROGRAMS],
  "apps/relay": ["packages/cli", "packages/relay", ...PROGRAMS],
};

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s(\s*type\s)?[^;"']*?from\s*["']([^"']+)["']|(?:^|\n)\s*import\s*["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)/g;

const problems: Array<string> = [];
const byName = new Map(
  Object.keys(BELOW).map((directory) => [
    (JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as { name: string }).name,
    directory,
  ]),
);

interface Import {
  readonly specifier: string;
  /** `import type` and `export type`: erased before the code runs. */
  readonly typeOnly: boolean;
}

const importsOf = (file: string): ReadonlyArray<Import> => {
  const text = readFileSync(file, "utf8")
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "");
  return [...text.matchAll(IMPORT)].map((match) => ({
    specifier: match[2] ?? match[3] ?? match[4] ?? "",
    typeOnly: match[1] !== undefined,
  }));
};

for (const [directory, below] of Object.entries(BELOW)) {
  const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as {
    name: string;
    dependencies?: Record<string, string>;
  };
  const graph = new Map<string, Array<string>>();
  for (const file of globSync(`${directory}/src/**/*.ts`)) {
    const local: Array<string> = [];
    graph.set(normalize(file), local);
    for (const { specifier, typeOnly } of importsOf(file)) {
      if (specifier.startsWith("node:")) continue;
      if (specifier.startsWith(".")) {
        const target = normalize(join(dirname(file), specifier));
        if (!target.startsWith(`${directory}/`)) problems.push(`${file}: ${specifier} leaves the package`);
        if (!existsSync(target)) problems.push(`${file}: ${specifier} is not there`);
        if (!typeOnly) local.push(target);
        continue;
      }
      const dependency = specifier
        .split("/")
        .slice(0, specifier.startsWith("@") ? 2 : 1)
        .join("/");
      const target = byName.get(dependency);
      if (target !== undefined && !below.includes(target))
        problems.push(`${file}: ${dependency} is not below ${manifest.name}`);
      if (manifest.dependencies?.[dependency] === undefined)
        problems.push(`${file}: ${dependency} is not declared in ${directory}/package.json`);
    }
  }
  for (const dependency of Object.keys(manifest.dependencies ?? {})) {
    const used = [...graph.keys()].some((file) =>
      importsOf(file).some(({ specifier }) => specifier === dependency || specifier.startsWith(`${dependency}/`)),
    );
    if (!used) problems.push(`${directory}/package.json: ${dependency} is declared and not imported`);
  }
  const state = new Map<string, "open" | "done">();
  const visit = (file: string, path: ReadonlyArray<string>): void => {
    if (state.get(file) === "done") return;
    if (state.get(file) === "open") {
      problems.push(`import cycle: ${[...path.slice(path.indexOf(file)), file].join(" -> ")}`);
      return;
    }
    state.set(file, "open");
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    state.set(file, "done");
  };
  for (const file of graph.keys()) visit(file, []);
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
