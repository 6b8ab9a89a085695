import { NoGuardError } from "../guards/index.ts";
import { choosePath, NoSuitableRelay, type Path, type PathEnd, type Random, type RelayTable } from "../paths/index.ts";
import type { ChosenGuard, GuardKeeper } from "./guard-keeper.ts";

/** A path that begins with one of the client's guards. */
export interface GuardedPath {
  readonly path: Path;
  /** It is to be told what becomes of the path. */
  readonly guard: ChosenGuard;
}

/**
 * Chooses a path. The exit is drawn first, and may leave no guard: if but one can be reached, and that is the exit itself, or its
 * relative. Then another exit is drawn for this path.
 *
 * @throws NoGuardError, NoSuitableRelay
 */
export const chooseWithGuard = (
  table: RelayTable,
  end: PathEnd,
  guards: Pick<GuardKeeper, "choose" | "indeterminate">,
  random: Random,
): GuardedPath => {
  const avoid = new Set("avoid" in end ? end.avoid : []);
  let refusal: NoGuardError | undefined;
  for (;;) {
    let guard: ChosenGuard | undefined;
    let exit: string | undefined;
    try {
      const path = choosePath(
        table,
        {
          end: "needs" in end ? { ...end, avoid } : end,
          guard: (limits) => {
            exit = limits.last?.status.fingerprint;
            guard = guards.choose(table, limits);
            return guard.relay;
          },
        },
        random,
      );
      return { path, guard: guard as unknown as ChosenGuard };
    } catch (thrown) {
      if (guard !== undefined) guards.indeterminate(guard.ticket);
      // There is no exit left: that none goes together with a guard says more.
      if (thrown instanceof NoSuitableRelay && thrown.role === "exit" && refusal !== undefined) throw refusal;
      const isRestricted = thrown instanceof NoGuardError && thrown.reason === "all-restricted";
      if (!isRestricted || !("needs" in end) || exit === undefined) throw thrown;
      refusal ??= thrown;
      avoid.add(exit);
    }
  }
};
