import type { Fingerprint } from "@allium/netdoc";
import { NoGuardError } from "../guards/index.ts";
import {
  chooseLeg,
  chooseLegs,
  choosePath,
  type GuardLimits,
  type LegsRequest,
  NoSuitableRelay,
  type Path,
  type PathEnd,
  type Random,
  type Relay,
  type RelayTable,
} from "../paths/index.ts";
import type { GuardKeeper } from "./guard-keeper.ts";
import { Leg } from "./leg.ts";

/** Who gives out guards. */
type Guards = Pick<GuardKeeper, "choose" | "indeterminate">;

/** How many exits are drawn for a set of which no guards can be beside it: mostly it is because there are too few guards. */
const MAX_EXITS_A_SET = 4;

/**
 * Chooses a path that begins with one of the client's guards. The exit is drawn first, and may leave no guard: if but one can be reached,
 * and that is the exit itself, or its relative. Then another exit is drawn for this path.
 *
 * @throws NoGuardError, NoSuitableRelay
 */
export const chooseWithGuard = (table: RelayTable, end: PathEnd, guards: Guards, random: Random): Leg => {
  const [leg] = withOtherExits(
    "needs" in end ? end : undefined,
    Number.POSITIVE_INFINITY,
    table,
    guards,
    (to, guard) => [choosePath(table, { end: to ?? end, guard }, random)],
  );
  return leg as Leg;
};

/**
 * Chooses the legs of a conflux set, each with a guard of its own.
 *
 * @throws NoGuardError, NoSuitableRelay
 */
export const chooseLegsWithGuards = (
  table: RelayTable,
  end: LegsRequest["end"],
  legs: number,
  guards: Guards,
  random: Random,
): ReadonlyArray<Leg> =>
  withOtherExits(end, MAX_EXITS_A_SET, table, guards, (to = end, guard) =>
    chooseLegs(table, { end: to, legs, guard }, random),
  );

/**
 * Chooses another leg to the exit of those that there are.
 *
 * @throws NoGuardError, NoSuitableRelay
 */
export const chooseLegWithGuard = (
  table: RelayTable,
  others: readonly [Path, ...ReadonlyArray<Path>],
  guards: Guards,
  random: Random,
): Leg => {
  const [leg] = withOtherExits(undefined, 1, table, guards, (_, guard) => [
    chooseLeg(table, others, { guard }, random),
  ]);
  return leg as Leg;
};

/** Chooses paths, with another exit for as long as no guard can be beside that which was drawn. */
const withOtherExits = (
  end: LegsRequest["end"] | undefined,
  most: number,
  table: RelayTable,
  guards: Guards,
  choose: (end: LegsRequest["end"] | undefined, guard: (limits: GuardLimits) => Relay) => ReadonlyArray<Path>,
): ReadonlyArray<Leg> => {
  const avoid = new Set(end?.avoid ?? []);
  let refusal: NoGuardError | undefined;
  for (let exits = 1; ; exits++) {
    const chosen: Array<ReturnType<Guards["choose"]>> = [];
    let exit: Fingerprint | undefined;
    try {
      const paths = choose(end === undefined ? undefined : { ...end, avoid }, (limits) => {
        exit = limits.last?.status.fingerprint;
        const guard = guards.choose(table, limits);
        chosen.push(guard);
        return guard.relay;
      });
      return paths.map((path, index) => new Leg(path, chosen[index] as (typeof chosen)[number]));
    } catch (thrown) {
      for (const { ticket } of chosen) guards.indeterminate(ticket);
      // There is no exit left: that none goes together with a guard says more.
      if (thrown instanceof NoSuitableRelay && thrown.role === "exit" && refusal !== undefined) throw refusal;
      const isRestricted = thrown instanceof NoGuardError && thrown.reason === "all-restricted";
      if (!isRestricted || end === undefined || exit === undefined || exits >= most) throw thrown;
      refusal ??= thrown;
      avoid.add(exit);
    }
  }
};
