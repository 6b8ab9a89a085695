/** Writes the tables of `docs/hostile-relays.md` anew: `node test/memory-network/hostile/main.ts`. A test holds them to the cases. */
import { writePage } from "../../support/case-page.ts";
import { hostilePage } from "./page.ts";

writePage(hostilePage);
