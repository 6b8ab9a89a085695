import { type ConfluxParams, maxLegLaunches } from "../params.ts";

/**
 * What a client does when a leg ends before it has linked:
 *
 * - `relaunch`: build another one
 * - `go-on`: go on with the legs that are left
 * - `end`: there are none, and the set is given up
 */
export type AfterFailedLeg = "relaunch" | "go-on" | "end";

/**
 * Decides it. Another leg is only built while there are some left, and not more often than the consensus allows: an exit that
 * refuses legs would otherwise see one guard after another (proposal 329, 4.2.2). `tor`: unlinked_circuit_closed,
 * launch_leg_is_allowed.
 *
 * @param left legs of the set that are left, linked or not
 * @param launched legs that were launched for it, since it last linked
 */
export const afterFailedLeg = (
  left: number,
  launched: number,
  params: Pick<ConfluxParams, "legsPerSet" | "maxUnlinkedLegRetry">,
): AfterFailedLeg => {
  if (left === 0) return "end";
  return launched < maxLegLaunches(params) ? "relaunch" : "go-on";
};
