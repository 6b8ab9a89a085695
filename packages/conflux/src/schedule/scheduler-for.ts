import { ConfluxUx } from "@allium/cell";
import type { ConfluxParams } from "../params.ts";
import type { ConfluxScheduler } from "./scheduler.ts";
import { lowRtt, minRtt, minRttLowMemory } from "./schedulers.ts";

/**
 * The scheduler for what the other end of a set wants. A UX that is not defined counts as no opinion.
 *
 * | UX | `tor` (conflux_choose_algorithm) | here |
 * | --- | --- | --- |
 * | NO_OPINION | LOWRTT | LowRTT |
 * | MIN_LATENCY | MINRTT | MinRTT |
 * | HIGH_THROUGHPUT | LOWRTT | LowRTT |
 * | LOW_MEM_LATENCY, LOW_MEM_THROUGHPUT | MINRTT | MinRTT, with limited switching |
 */
export const schedulerFor = (ux: number, params: Pick<ConfluxParams, "sendPct">): ConfluxScheduler => {
  switch (ux) {
    case ConfluxUx.MIN_LATENCY:
      return minRtt;
    case ConfluxUx.LOW_MEM_LATENCY:
    case ConfluxUx.LOW_MEM_THROUGHPUT:
      return minRttLowMemory(params.sendPct);
    default:
      return lowRtt;
  }
};
