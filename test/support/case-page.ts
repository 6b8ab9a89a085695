import { readFileSync, writeFileSync } from "node:fs";

/** A page of documentation that ends with tables which are made from the cases of tests. */
export interface CasePage {
  readonly url: URL;
  /** What stands between what is written by hand and the tables. */
  readonly mark: string;
  readonly tables: () => string;
}

/** The lines of a table; bars in it are escaped. */
export const tableOf = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
): ReadonlyArray<string> => [
  line(head),
  line(head.map(() => "---")),
  ...rows.map((row) => line(row.map((cell) => cell.replaceAll("|", "\\|")))),
];

const line = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`.replaceAll("|  |", "| |");

/** Writes the tables of a page anew. */
export const writePage = ({ url, mark, tables }: CasePage): void => {
  const [introduction = ""] = readFileSync(url, "utf8").split(mark);
  writeFileSync(url, `${introduction}${mark}\n\n${tables().trim()}\n`);
};

/** The tables as they are in the page. */
export const writtenTables = ({ url, mark }: CasePage): string => {
  const [, written = ""] = readFileSync(url, "utf8").split(mark);
  return written.trim();
};
