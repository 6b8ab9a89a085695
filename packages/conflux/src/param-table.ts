import type { ParamRange } from "@allium/circuit";

/** Consensus parameters of conflux, with the defaults and ranges of `tor` 0.4.8 and 0.4.9 (conflux_params.c). */
export const confluxParamTable = {
  /** Whether conflux is used at all. */
  cfx_enabled: { default: 1, min: 0, max: 1 },
  /** The share of exits with conflux below which a client keeps one set at hand, in hundredths of a percent. */
  cfx_low_exit_threshold: { default: 6000, min: 0, max: 10_000 },
  /** Linked sets that a client may have, those in use among them. */
  cfx_max_linked_set: { default: 10, min: 0, max: 255 },
  /** Sets that a client builds ahead. */
  cfx_max_prebuilt_set: { default: 3, min: 0, max: 255 },
  /** How often legs of a set may be built anew before it has linked: a bound on what an exit can learn of guards. */
  cfx_max_unlinked_leg_retry: { default: 3, min: 0, max: 255 },
  /** Legs of a set. */
  cfx_num_legs_set: { default: 2, min: 0, max: 255 },
  /** Where switching is limited: cells to send on a leg before the next switch, percent of its window. */
  cfx_send_pct: { default: 100, min: 0, max: 255 },
  /** Where switching is limited: what the leg before may have in flight, percent of its window, for a switch to be allowed early. */
  cfx_drain_pct: { default: 0, min: 0, max: 255 },
} as const satisfies Readonly<Record<string, ParamRange>>;
