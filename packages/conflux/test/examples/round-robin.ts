import { type ConfluxScheduler, isReady, type LegView } from "@allium/conflux";

/** Takes turns: each time the ready leg that comes after the current one, and goes back to the first at the end. */
export const roundRobin: ConfluxScheduler = {
  name: "round robin",
  choose: (legs, { current }) => {
    let first: LegView | undefined;
    for (const leg of legs) {
      if (!isReady(leg)) continue;
      if (leg.leg > current) return leg;
      first ??= leg;
    }
    return first;
  },
  cellsUntilSwitch: () => 32, // a train at least, so that the receiver has less to put in order
};
