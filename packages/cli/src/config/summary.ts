/** How a summary says whether something is so. */
export const yesOrNo = (value: boolean): string => (value ? "yes" : "no");

/** How a summary says a number of bytes. */
export const mebibytes = (bytes: number): string => `${Number((bytes / 1_048_576).toFixed(1))} MiB`;

/** What a configuration means, in a few lines for people. */
export const formatSummary = (file: string, lines: ReadonlyArray<readonly [name: string, value: string]>): string => {
  const width = Math.max(...lines.map(([name]) => name.length));
  return [`${file} is fine:`, ...lines.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)].join("\n");
};
