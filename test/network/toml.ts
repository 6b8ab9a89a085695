/** A value of a TOML file. */
export type TomlValue = string | number | boolean | ReadonlyArray<string> | ReadonlyArray<number>;

/** A table of values. */
export type TomlTable = Readonly<Record<string, TomlValue>>;

/** A file: keys, and tables of them. */
export type TomlDocument = Readonly<Record<string, TomlValue | TomlTable>>;

const isTable = (value: TomlValue | TomlTable): value is TomlTable =>
  typeof value === "object" && !Array.isArray(value);

/** The text of a TOML file: plain keys first, then the tables. JSON's strings, numbers and arrays are TOML's too. */
export const renderToml = (document: TomlDocument): string => {
  const keys = (table: TomlDocument): string =>
    Object.entries(table)
      .filter(([, value]) => !isTable(value))
      .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
      .join("");
  const tables = Object.entries(document).flatMap(([name, value]) =>
    isTable(value) ? [`\n[${name}]\n${keys(value)}`] : [],
  );
  return keys(document) + tables.join("");
};
