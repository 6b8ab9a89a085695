import { type GetParam, readParam } from "@allium/circuit";
import { MAX_LEGS } from "./limits.ts";
import { confluxParamTable } from "./param-table.ts";

/** What the consensus says about conflux; see the table of its parameters for what each does. */
export interface ConfluxParams {
  readonly enabled: boolean;
  /** A share from 0 to 1. */
  readonly lowExitThreshold: number;
  readonly maxLinkedSets: number;
  readonly maxPrebuiltSets: number;
  readonly maxUnlinkedLegRetry: number;
  /** Legs of a set, never more than {@link MAX_LEGS}. */
  readonly legsPerSet: number;
  /** Percent of a window. */
  readonly sendPct: number;
  /** Percent of a window. */
  readonly drainPct: number;
}

/** Reads what the consensus says. Values out of range count as the nearest bound. */
export const confluxParams = (getParam: GetParam): ConfluxParams => {
  const read = (name: keyof typeof confluxParamTable) => readParam(getParam, name, confluxParamTable[name]);
  return {
    enabled: read("cfx_enabled") === 1,
    lowExitThreshold: read("cfx_low_exit_threshold") / confluxParamTable.cfx_low_exit_threshold.max,
    maxLinkedSets: read("cfx_max_linked_set"),
    maxPrebuiltSets: read("cfx_max_prebuilt_set"),
    maxUnlinkedLegRetry: read("cfx_max_unlinked_leg_retry"),
    legsPerSet: Math.min(read("cfx_num_legs_set"), MAX_LEGS),
    sendPct: read("cfx_send_pct"),
    drainPct: read("cfx_drain_pct"),
  };
};

/**
 * Sets that a client keeps built ahead: none while no exit offers conflux, one while few do. Proposal 329, 2.4.1.
 * @param exitShare the share, from 0 to 1, of the consensus's exits (bad ones left out) that offer conflux
 */
export const maxPrebuiltSets = (params: ConfluxParams, exitShare: number): number => {
  if (!params.enabled || !(exitShare > 0)) return 0;
  return exitShare < params.lowExitThreshold ? 1 : params.maxPrebuiltSets;
};

/** How many legs may be launched for a set until it has linked, the first ones included. Proposal 329, 4.2.2. */
export const maxLegLaunches = (params: Pick<ConfluxParams, "legsPerSet" | "maxUnlinkedLegRetry">): number =>
  params.legsPerSet + params.maxUnlinkedLegRetry;
