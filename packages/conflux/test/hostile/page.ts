import { type ConfluxRule, violationTable } from "@allium/conflux";
import { type CasePage, tableOf } from "../../../../test/support/case-page.ts";
import type { Told } from "./case.ts";
import { hostileInitiators, hostileResponders } from "./table.ts";

/** Both ends at which cases are met, with what is done there. */
const ENDS = [
  { at: "exit", title: "At an exit", subjects: hostileInitiators },
  { at: "client", title: "At a client", subjects: hostileResponders },
] as const;

const ruleOf = ({ rule }: Told): string => {
  if (typeof rule === "object") return rule.from;
  const { from }: ConfluxRule = violationTable[rule];
  return `\`${rule}\`: ${from}`;
};

/** The page of hostile legs. */
export const hostileLegsPage: CasePage = {
  url: new URL("../../../../docs/hostile-legs.md", import.meta.url),
  mark: "<!-- From here on the page is written by `node packages/conflux/test/hostile/main.ts`. -->",
  tables: () => {
    const lines: Array<string> = [];
    let number = 0;
    for (const { at, title, subjects } of ENDS) {
      for (const { title: subject, cases } of subjects) {
        const rows = cases.map((told) => [`${++number}`, told.what, at, ruleOf(told), told.end]);
        lines.push(`## ${title}: ${subject.toLowerCase().replace("link", "LINK")}`, "");
        lines.push(...tableOf(["", "what the peer does", "at", "rule", "end"], rows), "");
      }
    }
    return lines.join("\n");
  },
};
