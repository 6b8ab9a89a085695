import type { ParamRange } from "../congestion/consensus-params.ts";

/**
 * Every consensus parameter of stream-level flow control (proposal 324, 6.5.5), with the defaults and ranges of `tor` 0.4.8 and
 * 0.4.9.
 */
export const flowParamTable = {
  /** What may wait for the application at a client or an onion service before it sends an XOFF, cells. */
  cc_xoff_client: { default: 500, min: 1, max: 10_000 },
  /** The same at an exit. */
  cc_xoff_exit: { default: 500, min: 1, max: 10_000 },
  /** Over how much data a drain rate is measured, which is also how often an XON may be sent to adjust it, cells. */
  cc_xon_rate: { default: 500, min: 1, max: 5000 },
  /** By how many percent the drain rate has to change before an XON tells of it. */
  cc_xon_change_pct: { default: 25, min: 1, max: 99 },
  /** N of the smoothing of drain rates. */
  cc_xon_ewma_cnt: { default: 2, min: 2, max: 100 },
} as const satisfies Readonly<Record<string, ParamRange>>;
