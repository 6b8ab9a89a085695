import { readFileSync } from "node:fs";

/** A file below `test/fixtures`. */
export const fixture = (path: string): Buffer => readFileSync(new URL(`../fixtures/${path}`, import.meta.url));

/** A file below `test/fixtures`, as text. */
export const fixtureText = (path: string): string => fixture(path).toString("utf8");
