/**
 * Whether enough of the network is known to choose paths in it (path-spec 2.1.0): with few relays to choose from, whoever gave
 * them would have chosen the paths.
 *
 * | what is there                                | ready | says                       |
 * | -------------------------------------------- | ----- | -------------------------- |
 * | no consensus                                 | no    | `no-consensus`             |
 * | one that has ended more than 24 hours ago    | no    | `old-consensus`            |
 * | too few microdescriptors                     | no    | `microdescriptors`         |
 * | none of a primary guard in use               | no    | `guard-microdescriptors`   |
 * | all of this                                  | yes   | `ready`                    |
 */
import type { Fingerprint, UnixMillis } from "@allium/netdoc";
import { Bit } from "./bits.ts";
import { permitsSomething } from "./ports.ts";
import type { RelayTable } from "./relay-table.ts";
import type { Position } from "./weights.ts";

/** How long after its end a consensus is still good for paths, in milliseconds (path-spec 2.1.0, REASONABLY_LIVE_TIME). */
export const reasonablyLiveMs = 24 * 60 * 60 * 1000;
/** The least part of paths that must be possible, in per cent (param-spec, `min_paths_for_circs_pct`). */
export const minPathsPercent = { default: 60, min: 25, max: 95 };

/** Which parts of the relays can be used, each by its weight in the position, from 0 to 1. */
export interface PathFractions {
  readonly guard: number;
  readonly middle: number;
  /** That of the middle, if the consensus has no exits. */
  readonly exit: number;
  /** Which part of all paths can be built: the product. */
  readonly paths: number;
  /** Whether there are exits at all. Without, there are internal paths only. */
  readonly hasExits: boolean;
}

/** What a directory is waiting for before paths can be chosen. */
export interface DirectoryReadiness {
  readonly state: "no-consensus" | "old-consensus" | "microdescriptors" | "guard-microdescriptors" | "ready";
  /** For a bar: what is there, and what it waits for. */
  readonly reason: string;
  /** Which part of paths can be built, the least of those with and without what the operator excludes; from 0 to 1. */
  readonly fraction: number;
  /** Which part is needed, from 0 to 1. */
  readonly needed: number;
}

/** What is asked. */
export interface ReadinessOptions {
  /** In milliseconds since 1970. */
  readonly now: UnixMillis;
  /** The primary guards that are to be used: there must be a microdescriptor of each that the consensus lists. Nobody. */
  readonly guards?: ReadonlyArray<Fingerprint>;
  /** Instead of what the consensus says is needed, in per cent (tor's PathsNeededToBuildCircuits). */
  readonly percent?: number;
}

/** Whether paths can be chosen, and if not, why (path-spec 2.1.0). */
export const directoryReadiness = (
  table: RelayTable | undefined,
  { now, guards = [], percent }: ReadinessOptions,
): DirectoryReadiness => {
  if (table === undefined)
    return {
      state: "no-consensus",
      reason: "waiting for a consensus",
      fraction: 0,
      needed: minPathsPercent.default / 100,
    };
  const { consensus } = table;
  const wanted = percent ?? consensus.params.get("min_paths_for_circs_pct", minPathsPercent);
  const needed = Math.min(Math.max(wanted, minPathsPercent.min), minPathsPercent.max) / 100;
  const all = pathFractions(table);
  const allowed = pathFractions(table, true);
  const least = allowed.paths < all.paths ? allowed : all;
  const answer = (state: DirectoryReadiness["state"], reason: string): DirectoryReadiness => ({
    state,
    reason,
    fraction: least.paths,
    needed,
  });
  if (!consensus.isUsable(now, reasonablyLiveMs))
    return answer("old-consensus", "waiting for a newer consensus, or for the clock to be set right");
  if (least.paths < needed) return answer("microdescriptors", describe(table, least, needed));
  const missing = guards.filter((guard) => table.indexOf(guard) >= 0 && table.find(guard) === undefined);
  if (missing.length > 0)
    return answer(
      "guard-microdescriptors",
      `waiting for microdescriptors of ${missing.length} of ${guards.length} guards`,
    );
  const kind = least.hasExits ? "paths" : "paths inside the network, which has no exits";
  return answer("ready", `${formatPercent(least.paths)} of ${kind} can be built`);
};

/**
 * Which part of all paths can be built with the microdescriptors that are there (path-spec 2.1.0).
 *
 * @param withOptions whether to leave out what the operator excludes
 */
export const pathFractions = (table: RelayTable, withOptions = false): PathFractions => {
  const left = withOptions ? Bit.excluded : 0;
  const guard = fraction(table, "guard", Bit.guard, left);
  const middle = fraction(table, "middle", 0, left);
  const exit = fraction(table, "exit", Bit.exit, withOptions ? left | Bit.excludedExit : 0);
  const hasExits = exit !== undefined;
  const parts = { guard: guard ?? 0, middle: middle ?? 0, exit: exit ?? middle ?? 0 };
  return { ...parts, paths: parts.guard * parts.middle * parts.exit, hasExits };
};

/**
 * The part that has microdescriptors, by weight, or by number if nothing has any weight; undefined, if there is no relay of the
 * kind.
 */
const fraction = (table: RelayTable, position: Position, set: number, clear: number): number | undefined => {
  const weights = table.weights(position);
  const wanted = set | Bit.running | Bit.valid;
  let count = 0;
  let countThere = 0;
  let weight = 0;
  let weightThere = 0;
  for (let index = 0; index < table.size; index++) {
    const bits = table.bits[index] as number;
    if ((bits & wanted) !== wanted || (bits & clear) !== 0) continue;
    const microdescriptor = table.microdescriptorAt(index);
    // An exit that permits nothing is none. Of one whose microdescriptor is missing nobody knows.
    if (position === "exit" && microdescriptor !== undefined && !permitsSomething(microdescriptor)) continue;
    count++;
    weight += weights[index] as number;
    if ((bits & Bit.described) === 0) continue;
    countThere++;
    weightThere += weights[index] as number;
  }
  if (count === 0) return undefined;
  return weight > 0 ? weightThere / weight : countThere / count;
};

const formatPercent = (fraction: number): string => `${Math.floor(fraction * 100)} %`;

const describe = (
  table: RelayTable,
  { guard, middle, exit, paths, hasExits }: PathFractions,
  needed: number,
): string => {
  const there = table.bits.reduce((sum, bits) => sum + ((bits & Bit.described) === 0 ? 0 : 1), 0);
  const exits = hasExits ? `, exits ${formatPercent(exit)}` : ", and there are no exits";
  return (
    `waiting for microdescriptors: ${there} of ${table.size} are here, for ${formatPercent(paths)} of paths ` +
    `(guards ${formatPercent(guard)}, middles ${formatPercent(middle)}${exits}); ${formatPercent(needed)} are needed`
  );
};
