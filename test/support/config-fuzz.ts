/** What the fuzz targets of programs' configurations share: files that are nearly right, and what holds for all that is read. */
import assert from "node:assert/strict";
import { ConfigError } from "@allium/cli";
import { Cause, Effect, Exit, FileSystem, Path, PlatformError } from "effect";
import type { Random } from "./fuzz.ts";

/** What each key may be given, as it is written: what is right first. Keys of a table have its name before them. */
export type KeyValues = Readonly<Record<string, ReadonlyArray<string>>>;

/** The statements of a file, by table; those of the file itself are under the empty name. */
export interface DrawnConfig {
  /** Whether nearly all of them are right. */
  readonly mostlyRight: boolean;
  readonly has: (key: string) => boolean;
  /** Adds one, such as `test_network = true`, to the file itself. */
  readonly add: (statement: string) => void;
  readonly tables: ReadonlyMap<string, ReadonlyArray<string>>;
}

/** Draws some keys and what they are given, the most of it right in one file of two. @param always keys that are always there */
export const drawConfig = (random: Random, values: KeyValues, always: ReadonlyArray<string>): DrawnConfig => {
  const mostlyRight = random.oneIn(2);
  const keys = Object.keys(values);
  const chosen = new Set([...always, ...Array.from({ length: random.below(8) }, () => random.pick(keys))]);
  const tables = new Map<string, Array<string>>([["", []]]);
  for (const key of chosen) {
    const [table = "", name = ""] = key.includes(".") ? key.split(".") : ["", key];
    const known = values[key] ?? [];
    const value = mostlyRight && !random.oneIn(20) ? (known[0] ?? "") : random.pick(known);
    tables.set(table, [...(tables.get(table) ?? []), `${name} = ${value}`]);
  }
  return { mostlyRight, has: (key) => chosen.has(key), add: (statement) => tables.get("")?.push(statement), tables };
};

/** The text of a file. */
export const writeConfig = (random: Random, { tables }: DrawnConfig): string =>
  [...tables]
    .map(([table, statements]) => `${table === "" ? "" : `[${table}]\n`}${statements.join("\n")}\n`)
    .join(random.oneIn(3) ? "\n# a table\n" : "");

/** A text as it is, or bent. */
export const perhapsBent = (random: Random, text: string): string =>
  random.oneIn(3) ? random.mutate(Buffer.from(text)).toString("utf8") : text;

/** A program whose configurations are read. */
export interface ConfigReader<Config> {
  /** The name of the file. */
  readonly file: string;
  readonly load: (file: string) => Effect.Effect<Config, ConfigError, FileSystem.FileSystem | Path.Path>;
  /** Fails unless a configuration is one that the program can be run with. */
  readonly check: (config: Config) => void;
}

/** The texts of a file and of the `authorities` beside it. */
export interface ConfigTexts {
  readonly config: string;
  readonly authorities: string;
}

const paths = Effect.runSync(Effect.provide(Path.Path, Path.layer));

/** Loads a file, with one of authorities beside it, and nothing else in the world. */
const load = <Config>(
  { file, load: loadConfig }: ConfigReader<Config>,
  { config, authorities }: ConfigTexts,
): Exit.Exit<Config, ConfigError> => {
  const files = FileSystem.makeNoop({
    readFileString: (path) => {
      if (path.endsWith(`/${file}`)) return Effect.succeed(config);
      if (path.endsWith("/authorities")) return Effect.succeed(authorities);
      const reason = { _tag: "NotFound", module: "FileSystem", method: "readFileString" } as const;
      return Effect.fail(PlatformError.systemError(reason));
    },
  });
  return Effect.runSyncExit(
    loadConfig(file).pipe(Effect.provideService(FileSystem.FileSystem, files), Effect.provideService(Path.Path, paths)),
  );
};

/** What holds for everything that is wrong with one. */
const checkProblems = ({ problems }: ConfigError, { config, authorities }: ConfigTexts): void => {
  assert(problems.length > 0, "wrong, and nobody knows why");
  for (const { file, line, detail } of problems) {
    assert.notEqual(detail, "");
    const text = file.endsWith("authorities") ? authorities : config;
    assert(line === undefined || (line >= 1 && line <= text.split("\n").length), "an error outside the text");
  }
};

/** Reads a configuration: it is one that the program can be run with, or all that is wrong with it is told, with its place. */
export const readBent = <Config>(reader: ConfigReader<Config>, texts: ConfigTexts): void => {
  const exit = load(reader, texts);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  if (Exit.isSuccess(exit)) return reader.check(exit.value);
  const error = Cause.squash(exit.cause);
  if (!(error instanceof ConfigError)) throw error;
  checkProblems(error, texts);
};
