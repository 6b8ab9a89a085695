/** Writes the tables of `docs/hostile-legs.md` anew: `node packages/conflux/test/hostile/main.ts`. A test holds them to the cases. */
import { writePage } from "../../../../test/support/case-page.ts";
import { hostileLegsPage } from "./page.ts";

writePage(hostileLegsPage);
