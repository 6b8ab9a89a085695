/**
 * The choice of whole paths (path-spec 2.2): the last relay first, then the guard, which another module keeps, then those
 * between them, front to back.
 *
 * | end          | the last relay                                        | asked for by                             |
 * | ------------ | ----------------------------------------------------- | ---------------------------------------- |
 * | `exit`       | permits all that is needed                            | a stream                                 |
 * | `exitForMost`| permits most of what is wanted                        | waiting streams, ports that are expected |
 * | `internal`   | as a middle one                                       | what does not leave the network          |
 * | `relay`      | the one that is named                                 | another leg, one more hop, a test        |
 * | `guard`      | is the guard: paths of one hop                        | directory requests                       |
 */
import type { Fingerprint } from "@allium/netdoc";
import { type ChoiceOptions, chooseExit, chooseExitForMost, chooseMiddle } from "./choose.ts";
import { BadPathLength, NoSuitableRelay } from "./errors.ts";
import { GuardLimits } from "./guards.ts";
import { type ExitNeed, needStable } from "./ports.ts";
import type { Random } from "./random.ts";
import type { Relay, RelayTable } from "./relay-table.ts";

/** The relays of a circuit, the guard first. */
export type Path = ReadonlyArray<Relay>;

/** Where a path ends. */
export type PathEnd =
  | {
      readonly _tag: "exit" | "exitForMost";
      readonly needs: ReadonlyArray<ExitNeed>;
      /** Whether other legs of a tunnel shall end there too (proposal 329); false. */
      readonly conflux?: boolean;
      /** Exits that have refused what their policies permit (path-spec 2.5). */
      readonly avoid?: ReadonlySet<Fingerprint>;
    }
  | { readonly _tag: "internal" }
  | { readonly _tag: "relay"; readonly relay: Relay }
  | { readonly _tag: "guard" };

/** What a path shall be. */
export interface PathRequest {
  readonly end: PathEnd;
  /** How many relays, to {@link maxHops}; 3, or 1 if the guard is its end. */
  readonly hops?: number;
  /** Gives the guard, within limits. What it throws comes through. */
  readonly guard: (limits: GuardLimits) => Relay;
  /** The other legs of the same tunnel: no relay of them is in this path but the last (proposal 329). */
  readonly legs?: ReadonlyArray<Path>;
  /** Whether all relays should be Fast; true. */
  readonly fast?: boolean;
  /** Whether all relays should be Stable; if not said, whether something long-lived is needed (path-spec 2.2). */
  readonly stable?: boolean;
}

/** The hops of a path for what users do. */
export const defaultHops = 3;
/** The most hops: nobody needs more, and these can be had with the eight RELAY_EARLY cells of a circuit (tor-spec 5.6). */
export const maxHops = 8;

/** The least and the most hops of a path, by its end. Nobody may leave the network by the relay that knows who he is. */
const lengths: Readonly<Record<PathEnd["_tag"], readonly [least: number, most: number]>> = {
  exit: [2, maxHops],
  exitForMost: [2, maxHops],
  internal: [2, maxHops],
  relay: [1, maxHops],
  guard: [1, 1],
};

const noLegs: ReadonlyArray<Path> = [];

/**
 * Chooses a path. The table must have enough of the network for it: see `directoryReadiness`.
 *
 * @throws NoSuitableRelay if there is none for a place, or the guard that was given cannot be beside the others
 * @throws BadPathLength if it shall be of no possible length
 */
export const choosePath = (table: RelayTable, request: PathRequest, random: Random): Path => {
  const { end, legs = noLegs, fast = true } = request;
  const [least, most] = lengths[end._tag];
  const hops = request.hops ?? Math.min(defaultHops, most);
  if (!Number.isInteger(hops) || hops < least || hops > most) throw new BadPathLength(hops, least, most);
  const stable = request.stable ?? ("needs" in end && needStable(end.needs));
  const used = legs.flatMap((leg) => leg.slice(0, -1));
  const guards = legs.flatMap((leg) => leg.slice(0, 1));
  if (end._tag === "guard") return [takeGuard(table, request, undefined, used, guards)];
  if (hops === 1 && end._tag === "relay") return [end.relay];
  const options = { fast, stable, used };
  const last = chooseEnd(table, end, options, random);
  const path = [takeGuard(table, request, last, used, guards)];
  while (path.length < hops - 1) path.push(chooseMiddle(table, { ...options, path: [...path, last] }, random));
  return [...path, last];
};

/**
 * Chooses the last relay of a path.
 *
 * @throws NoSuitableRelay
 */
export const chooseEnd = (
  table: RelayTable,
  end: Exclude<PathEnd, { readonly _tag: "guard" }>,
  options: ChoiceOptions,
  random: Random,
): Relay => {
  switch (end._tag) {
    case "relay":
      return end.relay;
    case "internal":
      return chooseMiddle(table, options, random);
    default: {
      const { needs, conflux = false, avoid } = end;
      const wanted = { ...options, conflux, ...(avoid === undefined ? {} : { avoid }) };
      return end._tag === "exit"
        ? chooseExit(table, needs, wanted, random)
        : chooseExitForMost(table, needs, wanted, random);
    }
  }
};

/**
 * Takes a guard from who keeps them.
 *
 * @param used relays of other legs
 * @param guards the guards among them
 * @throws NoSuitableRelay if it cannot be beside the others, and whatever its keeper throws
 */
export const takeGuard = (
  table: RelayTable,
  { guard }: Pick<PathRequest, "guard">,
  last: Relay | undefined,
  used: ReadonlyArray<Relay>,
  guards: ReadonlyArray<Relay>,
): Relay => {
  const limits = new GuardLimits(table, last, used, guards);
  const given = guard(limits);
  const rule = limits.check(given);
  if (rule !== undefined) throw new NoSuitableRelay("guard", 1, { [rule]: 1 });
  return given;
};
