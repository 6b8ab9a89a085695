import { type GetParam, readParam } from "./consensus-params.ts";
import type { CongestionAlgorithm } from "./control.ts";
import { congestionParamTable } from "./param-table.ts";

/**
 * What kind of path a circuit is, as far as queues on it go: three hops to an exit (also the service side of a single onion
 * service), six hops to an onion service, two hops of a bandwidth measurement.
 */
export type CongestionPath = "exit" | "onion" | "sbws";

/** How round trips are smoothed (proposal 324, 2.1.2 and 3.1.2). */
export interface RttParams {
  /** `cc_ewma_ss` */
  readonly ewmaSlowStart: number;
  /** `cc_ewma_cwnd_pct` */
  readonly ewmaCwndPct: number;
  /** `cc_ewma_max` */
  readonly ewmaMax: number;
  /** `cc_rtt_reset_pct` */
  readonly rttResetPct: number;
}

/** What both ends have to know of SENDMEs (tor-spec 7.3.1). */
export interface SendmeParams {
  /** The version of SENDME to send: 1 carries a tag. */
  readonly sendmeEmitVersion: 0 | 1;
  /** The lowest version to accept. */
  readonly sendmeAcceptMinVersion: number;
}

/** The windows of tor-spec 7.3. */
export interface FixedWindowParams extends SendmeParams {
  readonly algorithm: "fixed-window";
  /** Cells that may be in flight. */
  readonly window: number;
}

/** TOR_VEGAS of proposal 324, 3.3. Windows and queues in cells; see the table of consensus parameters for what each does. */
export interface VegasParams extends SendmeParams, RttParams {
  readonly algorithm: "vegas";
  readonly sendmeInc: number;
  readonly cwndInit: number;
  readonly cwndMin: number;
  readonly cwndMax: number;
  readonly cwndInc: number;
  readonly cwndIncRate: number;
  readonly cwndIncPctSlowStart: number;
  readonly cwndFullGap: number;
  readonly cwndFullMinPct: number;
  readonly cwndFullPerCwnd: boolean;
  readonly slowStartMax: number;
  readonly slowStartCap: number;
  readonly alpha: number;
  readonly beta: number;
  readonly gamma: number;
  readonly delta: number;
}

/** What two ends agreed on for their circuit hop. */
export type AgreedParams = FixedWindowParams | VegasParams;

/** What the consensus says about congestion control on one kind of path; the ends' agreement picks from it. */
export interface CongestionParams {
  /** What to ask for, and to grant: fixed windows mean that congestion control is switched off in the network. */
  readonly preferred: CongestionAlgorithm;
  readonly fixedWindow: FixedWindowParams;
  readonly vegas: VegasParams;
  /** Cells in the circuit's queue towards the channel at which `channelBlocked` becomes true. */
  readonly queueHigh: number;
  /** Cells at which it becomes false again. */
  readonly queueLow: number;
}

/** Reads what the consensus says for circuits of one kind of path. Values out of range count as the nearest bound. */
export const congestionParams = (getParam: GetParam, path: CongestionPath): CongestionParams => {
  const read = (name: keyof typeof congestionParamTable) => readParam(getParam, name, congestionParamTable[name]);
  const sendme: SendmeParams = {
    sendmeEmitVersion: read("sendme_emit_min_version") === 0 ? 0 : 1,
    sendmeAcceptMinVersion: read("sendme_accept_min_version"),
  };
  const queueHigh = read("cellq_high");
  return {
    preferred: read("cc_alg") === 0 ? "fixed-window" : "vegas",
    fixedWindow: { algorithm: "fixed-window", window: read("circwindow"), ...sendme },
    vegas: {
      algorithm: "vegas",
      sendmeInc: read("cc_sendme_inc"),
      cwndInit: read("cc_cwnd_init"),
      cwndMin: read("cc_cwnd_min"),
      cwndMax: read("cc_cwnd_max"),
      cwndInc: read("cc_cwnd_inc"),
      cwndIncRate: read("cc_cwnd_inc_rate"),
      cwndIncPctSlowStart: read("cc_cwnd_inc_pct_ss"),
      cwndFullGap: read("cc_cwnd_full_gap"),
      cwndFullMinPct: read("cc_cwnd_full_minpct"),
      cwndFullPerCwnd: read("cc_cwnd_full_per_cwnd") === 1,
      slowStartMax: read("cc_ss_max"),
      slowStartCap: read(`cc_sscap_${path}`),
      alpha: read(`cc_vegas_alpha_${path}`),
      beta: read(`cc_vegas_beta_${path}`),
      gamma: read(`cc_vegas_gamma_${path}`),
      delta: read(`cc_vegas_delta_${path}`),
      ewmaSlowStart: read("cc_ewma_ss"),
      ewmaCwndPct: read("cc_ewma_cwnd_pct"),
      ewmaMax: read("cc_ewma_max"),
      rttResetPct: read("cc_rtt_reset_pct"),
      ...sendme,
    },
    queueHigh,
    // A low mark above the high one would block and open at once.
    queueLow: Math.min(read("cellq_low"), queueHigh),
  };
};
