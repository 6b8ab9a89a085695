import { Result, Schema, SchemaAST, SchemaIssue } from "effect";
import { parse, TomlError } from "smol-toml";
import { ConfigError, type ConfigProblem, formatProblem } from "./errors.ts";
import { KeyLines, type KeyPath } from "./locate.ts";
import { suggestion } from "./suggest.ts";

/** A key as people write it: `exit.policy`, and `exit.policy[2]` for the second element. */
const formatKey = (path: KeyPath): string =>
  path
    .map((key, index) => (typeof key === "number" ? `[${key + 1}]` : `${index === 0 ? "" : "."}${String(key)}`))
    .join("");

/** What a value of the wrong type should have been, in words of TOML. */
const typeWords: Readonly<Record<string, string>> = {
  Boolean: "true or false",
  String: "a text in quotes",
  Number: "a number",
  Arrays: "a list in brackets",
  Objects: "a table",
};

const missing = "it is missing, and there is no default";
const unknown = "unknown";

const issueFormatter = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return missing;
    if (issue._tag === "UnexpectedKey") return unknown;
    const words = issue._tag === "InvalidType" ? typeWords[issue.ast._tag] : undefined;
    const message = SchemaIssue.defaultLeafHook(issue);
    return words === undefined ? message : message.replace(/^Expected \w+/, `Expected ${words}`);
  },
});

/** What a file may say: a struct of plain keys and of tables. */
export type ConfigSchema<File> = Schema.ConstraintDecoder<File, never> & {
  readonly fields: Readonly<Record<string, Schema.Constraint>>;
};

/** The keys of each table; those of the file itself are under the empty name. */
export const knownKeys = ({ fields }: ConfigSchema<unknown>): Readonly<Record<string, ReadonlyArray<string>>> => {
  const known: Record<string, ReadonlyArray<string>> = { "": Object.keys(fields) };
  for (const [name, { ast }] of Object.entries(fields)) {
    const table = SchemaAST.toEncoded(ast);
    if (SchemaAST.isObjects(table)) known[name] = table.propertySignatures.map((key) => String(key.name));
  }
  return known;
};

const describeUnknown = (path: KeyPath, schema: ConfigSchema<unknown>): string => {
  const known = knownKeys(schema)[path.slice(0, -1).join(".")] ?? [];
  const meant = suggestion(String(path.at(-1)), known);
  return meant === undefined
    ? `there is no such key; the keys here are ${known.join(", ")}`
    : `there is no such key; did you mean "${meant}"?`;
};

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** The text of a configuration that was read, to say of a key where it stands. */
export class ConfigText {
  readonly file: string;
  readonly text: string;
  readonly #lines: KeyLines;

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    this.#lines = new KeyLines(text);
  }

  /** Something that is wrong with the value of a key. */
  problem(path: KeyPath, detail: string): ConfigProblem {
    return { file: this.file, line: this.#lines.lineOf(path), key: formatKey(path), detail };
  }

  /** Whether the text says something about a key. */
  has(path: KeyPath): boolean {
    return this.#lines.lineOf(path) !== undefined;
  }

  /** Something about a key that the user should know, as text: `relay.toml:7: exit.policy: it has no effect`. */
  warning(path: KeyPath, detail: string): string {
    return formatProblem(this.problem(path, detail));
  }
}

/** What the text says, or all that is wrong with it. */
export const decodeConfig = <File>(
  source: ConfigText,
  schema: ConfigSchema<File>,
): Result.Result<File, ConfigError> => {
  let document: unknown;
  try {
    document = parse(source.text, { unsafeKeyBehaviour: "throw" });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const detail = error.message.split("\n")[0]?.replace("Invalid TOML document: ", "") ?? "";
    return Result.fail(
      new ConfigError({
        problems: [
          { file: source.file, line: error.line, key: undefined, detail: `column ${error.column}: ${detail}` },
        ],
      }),
    );
  }
  return Schema.decodeUnknownResult(schema, {
    errors: "all",
    onExcessProperty: "error",
    reportInput: true,
  })(document).pipe(
    Result.mapError(
      ({ issue }) =>
        new ConfigError({
          problems: issueFormatter(issue)
            .issues.map(({ path = [], message }) => {
              const keys = path.map((part) => (typeof part === "object" ? part.key : part));
              return source.problem(keys, message === unknown ? describeUnknown(keys, schema) : lowerFirst(message));
            })
            .sort((one, other) => (one.line ?? 0) - (other.line ?? 0)),
        }),
    ),
  );
};
