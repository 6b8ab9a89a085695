/** A relay as the consensus lists it (dir-spec section 3.4.1; `GETINFO ns/...`, NEWCONSENSUS). */
export interface RouterStatus {
  readonly nickname: string;
  /** The RSA identity in upper-case hex. */
  readonly fingerprint: string;
  readonly address: string;
  readonly orPort: number;
  readonly dirPort: number;
  readonly flags: ReadonlySet<string>;
  /** Consensus weight in KiB/s, as `w Bandwidth=`. */
  readonly bandwidth: number;
  /** The `p` line's port summary, or what the consensus of microdescriptors leaves out: an empty text. */
  readonly portSummary: string;
}

/** Reads the router entries of a consensus, or of a part of one. What else there is, is skipped. */
export const parseRouterStatuses = (text: string): ReadonlyArray<RouterStatus> =>
  text
    .split(/^(?=r )/m)
    .filter((entry) => entry.startsWith("r "))
    .map((entry) => {
      const lines = entry.split("\n");
      const words = lines[0]!.split(" ");
      const line = (keyword: string): string =>
        lines.find((candidate) => candidate.startsWith(`${keyword} `))?.slice(keyword.length + 1) ?? "";
      // In both flavours the address is the fourth from the end's start: `... YYYY-MM-DD HH:MM:SS IP ORPort DirPort`.
      const [address = "", orPort = "", dirPort = ""] = words.slice(-3);
      return {
        nickname: words[1] ?? "",
        fingerprint: Buffer.from(words[2] ?? "", "base64")
          .toString("hex")
          .toUpperCase(),
        address,
        orPort: Number(orPort),
        dirPort: Number(dirPort),
        flags: new Set(line("s").split(" ").filter(Boolean)),
        bandwidth: Number(/Bandwidth=(\d+)/.exec(line("w"))?.[1] ?? 0),
        portSummary: line("p"),
      };
    });

/** Whether a status has all these flags. */
export const hasFlags = (status: RouterStatus, flags: ReadonlyArray<string>): boolean =>
  flags.every((flag) => status.flags.has(flag));
