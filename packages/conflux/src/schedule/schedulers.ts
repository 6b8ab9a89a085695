import { isReady, type LegView, lowestRtt } from "./leg-view.ts";
import type { ConfluxScheduler } from "./scheduler.ts";

const noLimit = (): number => 0;

const chooseMinRtt = (legs: ReadonlyArray<LegView>): LegView | undefined => {
  const lowest = lowestRtt(legs);
  return lowest !== undefined && isReady(lowest) ? lowest : undefined;
};

/**
 * Only the leg with the lowest round trip, and none while that one is full: latency first, and next to nothing out of order.
 * Proposal 329, 3.1; `tor`: conflux_decide_circ_minrtt.
 */
export const minRtt: ConfluxScheduler = { name: "MinRTT", choose: chooseMinRtt, cellsUntilSwitch: noLimit };

/**
 * The same, with a switch at most once per so many percent of a window. Proposal 329, 3.3. `tor` answers the wish for little
 * memory with {@link minRtt} as it is.
 */
export const minRttLowMemory = (sendPct: number): ConfluxScheduler => ({
  name: "MinRTT, low memory",
  choose: chooseMinRtt,
  cellsUntilSwitch: (leg) => Math.floor((leg.cwnd * sendPct) / 100),
});

/**
 * The leg with the lowest round trip of those that have room: all legs are used to the full, at the cost of cells out of order.
 * Proposal 329, 3.2; `tor`: conflux_decide_circ_lowrtt.
 */
export const lowRtt: ConfluxScheduler = {
  name: "LowRTT",
  choose: (legs) => {
    let lowest: LegView | undefined;
    for (const leg of legs) {
      if (leg.rttUs > 0 && isReady(leg) && (lowest === undefined || leg.rttUs < lowest.rttUs)) lowest = leg;
    }
    return lowest;
  },
  cellsUntilSwitch: noLimit,
};

/**
 * DATA cells that a leg may be given while the fastest leg waits for its SENDMEs, so that they arrive about when the fastest
 * would have brought them: its room in the ratio of the round trips. All of its room while it is in slow start, or one of the
 * two is not measured. `tor`: cwnd_sendable.
 */
export const cwndSendable = (leg: LegView, lowestRttUs: number): number => {
  if (lowestRttUs === 0 || leg.rttUs === 0 || leg.inSlowStart) return leg.room;
  return Math.min(leg.cwnd, Math.floor((leg.room * lowestRttUs) / leg.rttUs));
};

/**
 * The leg with the lowest round trip while it has room; then the next one, as long as that has something to send by
 * {@link cwndSendable}: throughput with few cells out of order. Proposal 329, 3.4, without its estimate of growth; `tor`:
 * conflux_decide_circ_cwndrtt. `tor` takes the last of several such legs, and its comment says the fastest: here it is that.
 */
export const cwndRtt: ConfluxScheduler = {
  name: "CWNDRTT",
  choose: (legs) => {
    const fastest = lowestRtt(legs);
    if (fastest === undefined || isReady(fastest)) return fastest;
    let next: LegView | undefined;
    for (const leg of legs) {
      if (leg.rttUs === 0 || !isReady(leg) || cwndSendable(leg, fastest.rttUs) <= 0) continue;
      if (next === undefined || leg.rttUs < next.rttUs) next = leg;
    }
    return next;
  },
  cellsUntilSwitch: noLimit,
};
