import { hostileCaches } from "./cases/caches.ts";
import { hostileRelays } from "./table.ts";

/** What stands before the tables of the page. */
export const PAGE_MARK = "<!-- From here on the page is written by `node test/memory-network/hostile/main.ts`. -->";

const cell = (text: string): string => text.replaceAll("|", "\\|");

/** The tables of `docs/hostile-relays.md`. */
export const hostilePage = (): string => {
  const lines: Array<string> = [];
  let number = 0;
  for (const { title, cases } of hostileRelays) {
    lines.push(
      `## Relays: ${title.toLowerCase()}`,
      "",
      "| | what the relay does | as | rule | end |",
      "| --- | --- | --- | --- | --- |",
    );
    for (const { what, place, rule, end } of cases) {
      lines.push(`| ${++number} | ${cell(what)} | ${place} | ${cell(rule)} | ${cell(end)} |`);
    }
    lines.push("");
  }
  for (const { title, cases } of hostileCaches) {
    lines.push(
      `## Directories: ${title.toLowerCase()}`,
      "",
      "| | what it does | rule | end |",
      "| --- | --- | --- | --- |",
    );
    for (const { what, rule, end } of cases)
      lines.push(`| ${++number} | ${cell(what)} | ${cell(rule)} | ${cell(end)} |`);
    lines.push("");
  }
  return lines.join("\n");
};
