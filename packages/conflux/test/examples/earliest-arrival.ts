import { type ConfluxScheduler, isReady, type LegView } from "@allium/conflux";

/**
 * When the next cell of a leg should arrive, in microseconds from now: half a round trip, and the time that what is in flight beyond what
 * the line itself holds takes to leave it. A window goes round once in a round trip, so that is its rate.
 */
const arrivalUs = ({ rttUs, minRttUs, cwnd, inflight }: LegView): number => {
  const cellsPerUs = cwnd / rttUs;
  const waiting = Math.max(0, inflight - cellsPerUs * minRttUs);
  return minRttUs / 2 + waiting / cellsPerUs;
};

/** Sends each train on the leg on which it should arrive first, and waits for no leg as long as another one has room. */
export const earliestArrival: ConfluxScheduler = {
  name: "earliest arrival",
  choose: (legs) => {
    let first: LegView | undefined;
    for (const leg of legs) {
      if (leg.rttUs === 0 || !isReady(leg)) continue; // not measured yet, or full
      if (first === undefined || arrivalUs(leg) < arrivalUs(first)) first = leg;
    }
    return first;
  },
  cellsUntilSwitch: () => 0, // it may change its mind after each train
};
