import type { HostileSubject } from "./case.ts";
import type { Difference } from "./differences.ts";

const cell = (text: string): string => text.replaceAll("|", "\\|");

/** The tables of `docs/hostile-peers.md`: each subject's cases with their answers, and what `tor` does otherwise. */
export const hostilePage = (table: ReadonlyArray<HostileSubject>, differences: ReadonlyArray<Difference>): string => {
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
  return lines.join("\n");
};

/** Where the tables begin in the page. */
export const PAGE_MARK = "<!-- from here on written by `node test/hostile/main.ts` -->";
