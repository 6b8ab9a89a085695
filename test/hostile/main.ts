/** Writes the tables of `docs/hostile-peers.md` anew: `node test/hostile/main.ts`. A test of the tree holds them to the cases. */
import { readFileSync, writeFileSync } from "node:fs";
import { differences, recordedDifferences } from "./differences.ts";
import { hostilePage, PAGE_MARK } from "./page.ts";
import { readRecordings } from "./recording/recording.ts";
import { hostileTable } from "./table.ts";

const PAGE = new URL("../../docs/hostile-peers.md", import.meta.url);

const [introduction = ""] = readFileSync(PAGE, "utf8").split(PAGE_MARK);
const content = { table: hostileTable, differences, recordings: readRecordings(), recordedDifferences };
writeFileSync(PAGE, `${introduction}${PAGE_MARK}\n\n${hostilePage(content)}\n`);
