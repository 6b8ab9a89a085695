import { readFileSync } from "node:fs";

/** A line of a log that somebody should look at. */
export interface LogFinding {
  readonly line: number;
  readonly text: string;
}

/** What `tor` warns of in every private network on one machine, each with why it does no harm. */
export const PRIVATE_NETWORK_WARNINGS: ReadonlyArray<RegExp> = [
  // What the torrc asks for.
  /You have used DirAuthority or AlternateDirAuthority/,
  /TestingTorNetwork is set/,
  /you disabled SafeLogging/,
  /V3AuthVotingInterval is very low/,
  /V3Auth(Vote|Dist)Delay is very low/,
  // Where tests and containers run.
  /You are running Tor as root/,
  // A new authority has no state yet.
  /Cannot open fingerprint file .*approved-routers/,
  /Could not open ".*sr-state"/,
  /SR: Unable to read SR state file/,
  // Relays ask for a consensus before there is one.
  /http status code 404 \("Not found"\) .* while fetching consensus directory/,
  // An authority asks itself before it listens.
  /We just marked ourself as down/,
  // A client's longer circuits come back to the same relay in a small network; the second line follows from the first.
  /Client asked me to extend back to the previous hop\.$/,
  /Client asked me to extend back to the previous hop\.\n.*process_relay_cell \(away from origin\) failed\.$/,
  // Tests give a client addresses as often as names.
  /is giving Tor only an IP address/,
  // Rounding, with bandwidths as small as these.
  /Bw Weight Failure/,
  // A first consensus that came before authorities had reached anybody: the next one is waited for.
  /No available nodes when trying to choose node\. Failing\./,
  // The name server is a test's process, which has more to do than to answer.
  /eventdns: (All nameservers have failed|Nameserver \S+ has failed)/,
  /Your computer is too slow to handle this many circuit creation requests/,
];

/** What its authorities warn of besides when the machine is busy: a round may be lost, and the next one is as good. */
export const AUTHORITY_WARNINGS: ReadonlyArray<RegExp> = [
  // Votes and signatures that come after their seconds are over.
  /(Rejecting|Rejected) (.+'s posted )?vote from /,
  /We don't have enough votes to generate a consensus/,
  /(Not enough info to publish pending|Error publishing) \w+ consensus/,
  /(Error adding retrieved vote|Problem adding detached signatures|Could not add queued signature|Unable to add signatures)/,
  /A consensus needs \d+ good signatures|unable to check \d+ of the signatures/,
  /(response after|was unexpected while) uploading (vote|signatures) to (dirserver|server)/,
  /while fetching "\/tor\/status-vote\/next\//,
  // One that has missed signatures asks another for the consensus, and may have its own when the diff from the last one comes.
  /Refusing to apply consensus diff because the base consensus doesn't match the digest/,
  /Expected: [0-9A-F]{64}; found: [0-9A-F]{64}/,
  /Could not apply consensus diff received from server/,
];

const SEVERE = /\[(warn|err)\]|level=(WARN|ERROR|FATAL)|"level":"(WARN|ERROR|FATAL)"/i;

/**
 * The lines of a log at `[warn]` or `[err]` (and Effect's `level=WARN|ERROR|FATAL`, for Allium's own programs) that neither
 * `allow` nor every private network's own list matches. A pattern sees the line alone, one with `\n` in it also what was
 * logged before it: with two `Log` lines in its torrc, a daemon writes everything twice.
 */
export const scanLog = (file: string, allow: ReadonlyArray<RegExp> = []): ReadonlyArray<LogFinding> => {
  const allowed = [...PRIVATE_NETWORK_WARNINGS, ...allow];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines
    .map((text, index) => ({ line: index + 1, text }))
    .filter(({ text }) => SEVERE.test(text))
    .filter(({ line, text }) => {
      const previous = lines.slice(0, line - 1).findLast((earlier) => earlier !== text);
      const withPrevious = `${previous ?? ""}\n${text}`;
      return !allowed.some((pattern) => pattern.test(pattern.source.includes("\\n") ? withPrevious : text));
    });
};
