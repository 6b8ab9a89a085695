/** Writes the tables of `docs/hostile-relays.md` anew: `node test/memory-network/hostile/main.ts`. A test holds them to the cases. */
import { readFileSync, writeFileSync } from "node:fs";
import { hostilePage, PAGE_MARK } from "./page.ts";

const PAGE = new URL("../../../docs/hostile-relays.md", import.meta.url);

const [introduction = ""] = readFileSync(PAGE, "utf8").split(PAGE_MARK);
writeFileSync(PAGE, `${introduction}${PAGE_MARK}\n\n${hostilePage()}`);
