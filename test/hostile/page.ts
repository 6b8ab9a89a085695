import type { HostileSubject } from "./case.ts";
import type { Difference, RecordedDifference } from "./differences.ts";
import type { Recording } from "./recording/recording.ts";

const cell = (text: string): string => text.replaceAll("|", "\\|");

/** What the page is made of. */
export interface PageContent {
  readonly table: ReadonlyArray<HostileSubject>;
  readonly differences: ReadonlyArray<Difference>;
  readonly recordings: ReadonlyMap<string, Recording>;
  readonly recordedDifferences: ReadonlyArray<RecordedDifference>;
}

/** The recordings, and what in their answers is not alike. */
const recordedPart = ({ recordings, recordedDifferences }: PageContent): ReadonlyArray<string> => {
  const lines = [
    "## What is recorded",
    "",
    "Alike but for the lines below.",
    "",
    "| recording | what happens | who is at the other end | `tor` | steps |",
    "| --- | --- | --- | --- | --- |",
  ];
  for (const [name, { title, peer, tor, steps }] of recordings) {
    lines.push(`| \`${name}\` | ${cell(title)} | a ${peer} | ${tor} | ${steps.length} |`);
  }
  lines.push("");
  for (const because of new Set(recordedDifferences.map((difference) => difference.because))) {
    const alike = recordedDifferences.filter((difference) => difference.because === because);
    for (const { tor, allium } of alike) lines.push(`- \`tor\`: **${tor}**. Allium: **${allium.trim()}**. ${because}.`);
  }
  return lines;
};

/** The tables of `docs/hostile-peers.md`: each subject's cases with their answers, what is recorded, and what `tor` does otherwise. */
export const hostilePage = (content: PageContent): string => {
  const { table, differences } = content;
  const lines: Array<string> = [];
  let number = 0;
  for (const { title, about, cases } of table) {
    lines.push(`## ${title}`, "", about, "", "| | what the peer does | rule | answer |", "| --- | --- | --- | --- |");
    for (const { what, rule, answer } of cases) {
      const mark = differences.some((difference) => difference.what === what) ? " ≠" : "";
      lines.push(`| ${++number} | ${cell(what)} | ${rule} | ${cell(answer)}${mark} |`);
    }
    lines.push("");
  }
  lines.push("## Where `tor` answers otherwise", "");
  lines.push("All that is marked ≠ above. Every other answer is `tor`'s too.", "");
  for (const because of new Set(differences.map((difference) => difference.because))) {
    const alike = differences.filter((difference) => difference.because === because);
    for (const tor of new Set(alike.map((difference) => difference.tor))) {
      const whats = alike.filter((difference) => difference.tor === tor).map(({ what }) => what);
      const shown = whats.length > 6 ? [...whats.slice(0, 5), `${whats.length - 5} more of the kind`] : whats;
      lines.push(`- \`tor\`: **${tor}**. ${because}. (${shown.join("; ")})`);
    }
  }
  lines.push("", ...recordedPart(content));
  return lines.join("\n");
};

/** Where the tables begin in the page. */
export const PAGE_MARK = "<!-- from here on written by `node test/hostile/main.ts` -->";
