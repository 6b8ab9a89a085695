import { type CasePage, tableOf } from "../../support/case-page.ts";
import { hostileCaches } from "./cases/caches.ts";
import { hostileRelays } from "./table.ts";

const tables = (): string => {
  const lines: Array<string> = [];
  let number = 0;
  for (const { title, cases } of hostileRelays) {
    lines.push(
      `## Relays: ${title.toLowerCase()}`,
      "",
      ...tableOf(
        ["", "what the relay does", "as", "rule", "end"],
        cases.map(({ what, place, rule, end }) => [`${++number}`, what, place, rule, end]),
      ),
      "",
    );
  }
  for (const { title, cases } of hostileCaches) {
    lines.push(
      `## Directories: ${title.toLowerCase()}`,
      "",
      ...tableOf(
        ["", "what it does", "rule", "end"],
        cases.map(({ what, rule, end }) => [`${++number}`, what, rule, end]),
      ),
      "",
    );
  }
  return lines.join("\n");
};

/** The page of hostile relays and directories. */
export const hostilePage: CasePage = {
  url: new URL("../../../docs/hostile-relays.md", import.meta.url),
  mark: "<!-- From here on the page is written by `node test/memory-network/hostile/main.ts`. -->",
  tables,
};
