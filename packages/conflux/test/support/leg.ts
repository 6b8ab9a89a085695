import type { LegView } from "../../src/index.ts";

/** A leg that is ready, but for what is said of it. */
export const leg = (facts: Partial<LegView>): LegView => {
  const cwnd = facts.cwnd ?? 124;
  const inflight = facts.inflight ?? 0;
  const rttUs = facts.rttUs ?? 100;
  return {
    leg: 0,
    rttUs,
    minRttUs: rttUs,
    cwnd,
    inflight,
    room: Math.max(0, cwnd - inflight),
    sendmeInc: 31,
    blocked: false,
    inSlowStart: false,
    ...facts,
  };
};
