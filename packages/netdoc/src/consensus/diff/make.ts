import { ConsensusDiffError } from "../../errors.ts";
import { versionLine } from "./consensus-diff.ts";
import { consensusDigest, consensusSignedDigest, signaturesStart } from "./digests.ts";
import { checkEnd, Lines } from "./lines.ts";

/** Lines of the base that are replaced with lines of the target; both from zero, the ends not included. */
interface Change {
  readonly from: number;
  readonly to: number;
  readonly newFrom: number;
  readonly newTo: number;
}

/** The largest table of line pairs that is filled to find what two pieces have in common. */
const largestTable = 1 << 16;

/**
 * Makes the diff from one consensus to another of its flavour (dir-spec 4.5.1). The signatures of the base are taken out as
 * a whole, since those that another has may differ. Takes time in proportion to the length of both: entries of relays are
 * compared with the same relay's only.
 *
 * @throws ConsensusDiffError `no-consensus` if either is none, or has a line that no diff can carry; `missing-newline`
 */
export const makeConsensusDiff = (base: Buffer, target: Buffer): Buffer => {
  const signedEnd = signaturesStart(base);
  signaturesStart(target);
  checkEnd(base, "consensus");
  const kept = new Lines(base.subarray(0, signedEnd), "consensus");
  const wanted = new Lines(target, "consensus");
  const changes = changesBetween(kept, wanted);
  const parts: Array<Buffer> = [
    Buffer.from(`${versionLine}\nhash ${consensusSignedDigest(base)} ${consensusDigest(target)}\n`),
    // The first command of every diff (dir-spec, appendix E).
    Buffer.from(`${kept.count + 1},$d\n`),
  ];
  for (const { from, to, newFrom, newTo } of changes.reverse()) {
    parts.push(Buffer.from(`${command(from, to, newTo > newFrom)}\n`));
    if (newTo === newFrom) continue;
    for (let line = newFrom; line < newTo; line++)
      if (wanted.text(line) === ".")
        throw new ConsensusDiffError("no-consensus", "the consensus has a line that is a lone dot");
    parts.push(wanted.slice(newFrom, newTo), Buffer.from(".\n"));
  }
  return Buffer.concat(parts);
};

const command = (from: number, to: number, adds: boolean): string => {
  if (from === to) return `${from}a`;
  const range = to - from === 1 ? `${to}` : `${from + 1},${to}`;
  return `${range}${adds ? "c" : "d"}`;
};

/** What is to be replaced, from the first line to the last. */
const changesBetween = (base: Lines, target: Lines): Array<Change> => {
  const changes: Array<Change> = [];
  let line = 0;
  let newLine = 0;
  for (const [anchor, newAnchor] of anchors(base, target)) {
    compare(base, line, anchor, target, newLine, newAnchor, changes);
    line = anchor;
    newLine = newAnchor;
  }
  compare(base, line, base.count, target, newLine, target.count, changes);
  return changes;
};

const relayStart = 0x72;
const space = 0x20;

/** The identity in the entry of a relay that begins with a line; undefined if none does. */
const identityAt = (lines: Lines, line: number): string | undefined => {
  const at = lines.start(line);
  if (lines.bytes[at] !== relayStart || lines.bytes[at + 1] !== space) return undefined;
  return lines.text(line).split(" ", 3)[2];
};

/** Pairs of lines that begin the entry of the same relay, in ascending order of both. */
const anchors = (base: Lines, target: Lines): ReadonlyArray<readonly [line: number, newLine: number]> => {
  const places = new Map<string, number>();
  for (let line = 0; line < target.count; line++) {
    const identity = identityAt(target, line);
    if (identity !== undefined) places.set(identity, line);
  }
  const found: Array<readonly [number, number]> = [];
  let last = -1;
  for (let line = 0; line < base.count; line++) {
    const identity = identityAt(base, line);
    const place = identity === undefined ? undefined : places.get(identity);
    // Relays stand in the same order in both; a document in which they do not gives a long diff, and no wrong one.
    if (place === undefined || place <= last) continue;
    found.push([line, place]);
    last = place;
  }
  return found;
};

/** Finds the changes between two pieces: what they begin and end with alike is left, and then their longest common part. */
const compare = (
  base: Lines,
  from: number,
  to: number,
  target: Lines,
  newFrom: number,
  newTo: number,
  changes: Array<Change>,
): void => {
  let [start, end, newStart, newEnd] = [from, to, newFrom, newTo];
  while (start < end && newStart < newEnd && base.equal(start, target, newStart)) {
    start++;
    newStart++;
  }
  while (start < end && newStart < newEnd && base.equal(end - 1, target, newEnd - 1)) {
    end--;
    newEnd--;
  }
  const rows = end - start;
  const columns = newEnd - newStart;
  if (rows === 0 && columns === 0) return;
  if (rows === 0 || columns === 0 || rows * columns > largestTable) {
    changes.push({ from: start, to: end, newFrom: newStart, newTo: newEnd });
    return;
  }
  // How long the common part of what remains is, from each pair of lines on.
  const width = columns + 1;
  const lengths = new Uint16Array((rows + 1) * width);
  for (let row = rows - 1; row >= 0; row--)
    for (let column = columns - 1; column >= 0; column--)
      lengths[row * width + column] = base.equal(start + row, target, newStart + column)
        ? (lengths[(row + 1) * width + column + 1] as number) + 1
        : Math.max(lengths[(row + 1) * width + column] as number, lengths[row * width + column + 1] as number);
  let [row, column] = [0, 0];
  let [changedRow, changedColumn] = [0, 0];
  const flush = (): void => {
    if (row === changedRow && column === changedColumn) return;
    changes.push({
      from: start + changedRow,
      to: start + row,
      newFrom: newStart + changedColumn,
      newTo: newStart + column,
    });
  };
  while (row < rows && column < columns) {
    if (base.equal(start + row, target, newStart + column)) {
      flush();
      row++;
      column++;
      changedRow = row;
      changedColumn = column;
    } else if ((lengths[(row + 1) * width + column] as number) >= (lengths[row * width + column + 1] as number)) row++;
    else column++;
  }
  row = rows;
  column = columns;
  flush();
};
