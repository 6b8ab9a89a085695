import { ConsensusDiffError } from "../../errors.ts";
import { consensusDigest, consensusSignedDigest } from "./digests.ts";
import { Lines } from "./lines.ts";

/** How every diff begins. */
export const versionLine = "network-status-diff-version 1";

const hashLine = /^hash ([0-9A-Fa-f]{64}) ([0-9A-Fa-f]{64})$/;
const commandLine = /^(\d{1,9})(?:,(\d{1,9}|\$))?([acd])$/;

/** Takes out the lines `from` up to `to` of the base, from zero, and puts those of the diff there. */
interface Command {
  readonly from: number;
  /** Undefined is the end of the base. */
  readonly to: number | undefined;
  readonly added: Buffer | undefined;
  /** Where it stands in the diff, from one. */
  readonly line: number;
}

/** Whether a document is a diff, and not the consensus that was asked for. */
export const isConsensusDiff = (document: Buffer): boolean =>
  document.subarray(0, versionLine.length + 1).equals(Buffer.from(`${versionLine}\n`));

/**
 * What makes one consensus of another (dir-spec 4.5.1; the commands are a subset of ed's, from the last line to the first:
 * appendix E).
 */
export class ConsensusDiff {
  /** The consensus that it starts from, as `consensusSignedDigest` names it. */
  readonly from: string;
  /** SHA3-256 of the consensus that comes of it, in hexadecimal. */
  readonly to: string;
  readonly #commands: ReadonlyArray<Command>;

  private constructor(from: string, to: string, commands: ReadonlyArray<Command>) {
    this.from = from;
    this.to = to;
    this.#commands = commands;
  }

  /**
   * Reads a diff. The bytes are not copied.
   *
   * @throws ConsensusDiffError
   */
  static parse(diff: Buffer): ConsensusDiff {
    const lines = new Lines(diff, "diff");
    if (lines.text(0) !== versionLine) throw new ConsensusDiffError("unknown-version", `expected "${versionLine}"`, 1);
    const digests = lines.count < 2 ? null : hashLine.exec(lines.text(1));
    if (digests === null) throw new ConsensusDiffError("bad-digests", "expected two digests", 2);
    const [, from = "", to = ""] = digests;
    return new ConsensusDiff(from.toUpperCase(), to.toUpperCase(), readCommands(lines));
  }

  /**
   * The consensus that comes of another one.
   *
   * @throws ConsensusDiffError `wrong-base` if the diff starts from another consensus, `wrong-result` if it does not lead to
   * what it promises, `bad-range` if there are not so many lines
   */
  apply(base: Buffer): Buffer {
    if (consensusSignedDigest(base) !== this.from)
      throw new ConsensusDiffError("wrong-base", "starts from another consensus");
    const lines = new Lines(base, "consensus");
    const parts: Array<Buffer> = [];
    let end = lines.count;
    for (const { from, to = lines.count, added, line } of this.#commands) {
      if (to > end) throw new ConsensusDiffError("bad-range", `the consensus has ${lines.count} lines`, line);
      if (from >= to && added === undefined)
        throw new ConsensusDiffError("bad-range", "there is nothing to be deleted", line);
      parts.push(lines.slice(to, end));
      if (added !== undefined) parts.push(added);
      end = from;
    }
    parts.push(lines.slice(0, end));
    const result = Buffer.concat(parts.reverse());
    if (consensusDigest(result) !== this.to)
      throw new ConsensusDiffError("wrong-result", "does not lead to the consensus that it promises");
    return result;
  }
}

const readCommands = (lines: Lines): ReadonlyArray<Command> => {
  const commands: Array<Command> = [];
  /** The lines of the base that no command has been about. */
  let end = Number.POSITIVE_INFINITY;
  for (let index = 2; index < lines.count; ) {
    const line = index + 1;
    const command = readCommand(lines, index);
    index++;
    if ((command.to ?? command.from + 1) > end)
      throw new ConsensusDiffError("out-of-order", "is about lines behind those of the command before it", line);
    end = command.from;
    if (!command.adds) {
      commands.push({ from: command.from, to: command.to, added: undefined, line });
      continue;
    }
    const first = index;
    while (index < lines.count && !isLoneDot(lines, index)) index++;
    if (index === lines.count) throw new ConsensusDiffError("bad-insertion", "the added lines do not end", line);
    if (index === first) throw new ConsensusDiffError("bad-insertion", "adds no lines", line);
    commands.push({ from: command.from, to: command.to, added: lines.slice(first, index), line });
    index++;
  }
  return commands;
};

const isLoneDot = (lines: Lines, line: number): boolean =>
  lines.start(line + 1) - lines.start(line) === 2 && lines.bytes[lines.start(line)] === 0x2e;

/** The longest command: two numbers of nine digits, a comma, and a letter. */
const longestCommand = 20;

const readCommand = (
  lines: Lines,
  index: number,
): { readonly from: number; readonly to: number | undefined; readonly adds: boolean } => {
  const line = index + 1;
  const match =
    lines.start(index + 1) - lines.start(index) > longestCommand + 1 ? null : commandLine.exec(lines.text(index));
  if (match === null) throw new ConsensusDiffError("bad-command", "is no command of a diff", line);
  const [, start = "", end, action] = match;
  const first = Number(start);
  if (action === "a") {
    if (end !== undefined) throw new ConsensusDiffError("bad-range", "adds after more than one line", line);
    return { from: first, to: first, adds: true };
  }
  // Lines count from one, and only what deletes may go on to the end.
  if (first === 0) throw new ConsensusDiffError("bad-range", "there is no line 0", line);
  if (end === "$") {
    if (action === "c") throw new ConsensusDiffError("bad-range", "changes lines up to the end", line);
    return { from: first - 1, to: undefined, adds: false };
  }
  const last = end === undefined ? first : Number(end);
  if (end !== undefined && last <= first) throw new ConsensusDiffError("bad-range", "ends before it begins", line);
  return { from: first - 1, to: last, adds: action === "c" };
};
