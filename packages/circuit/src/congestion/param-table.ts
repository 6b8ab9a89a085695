import { int32Max, type ParamRange } from "./consensus-params.ts";

/** Cells that fill a TLS record: what `tor` calls TLS_RECORD_MAX_CELLS. */
const record = 31;
/** Cells that a `tor` relay's buffer towards a channel holds: OUTBUF_CELLS of proposal 324, 6.5.3. */
const outbuf = 2 * record;

/**
 * Every consensus parameter of circuit-level flow control, with the defaults and ranges of `tor` 0.4.8 and 0.4.9. They were
 * tuned on the live network after proposal 324 (section 6.5) was written and differ from the numbers there. Parameters of the
 * algorithms that `tor` has dropped (Westwood, NOLA, the choice of BDP estimators) are left out.
 */
export const congestionParamTable = {
  /** Which algorithm to negotiate: 0 fixed windows, 2 Vegas. 1 and 3 were given up and mean Vegas. */
  cc_alg: { default: 2, min: 0, max: 3 },
  /** DATA cells that one SENDME acknowledges. */
  cc_sendme_inc: { default: record, min: 1, max: 254 },
  /** The congestion window to begin with, cells. */
  cc_cwnd_init: { default: 4 * record, min: record, max: 10_000 },
  /** The smallest congestion window, cells. */
  cc_cwnd_min: { default: 4 * record, min: record, max: 1000 },
  /** The largest congestion window, cells. */
  cc_cwnd_max: { default: int32Max, min: 500, max: int32Max },
  /** How far the window moves at each update after slow start, cells. */
  cc_cwnd_inc: { default: 1, min: 1, max: 1000 },
  /** How often the window is updated per window's worth of cells after slow start. */
  cc_cwnd_inc_rate: { default: record, min: 1, max: 250 },
  /** By how many percent of what is acknowledged the window grows in slow start. */
  cc_cwnd_inc_pct_ss: { default: 100, min: 1, max: 500 },
  /** The window at which slow start ends in any case, cells. */
  cc_ss_max: { default: 5000, min: 500, max: int32Max },
  /** How many SENDMEs' worth of cells the window may lack and still count as full. */
  cc_cwnd_full_gap: { default: 4, min: 0, max: 0x7fff },
  /** The percentage of the window below which it does not count as full any more. */
  cc_cwnd_full_minpct: { default: 25, min: 0, max: 100 },
  /** Whether the window has to have been full once per window's worth of cells (1), or once per update (0), to grow. */
  cc_cwnd_full_per_cwnd: { default: 1, min: 0, max: 1 },
  /** N of the smoothing of round trips after slow start, percent of the SENDMEs between two updates. */
  cc_ewma_cwnd_pct: { default: 50, min: 1, max: 255 },
  /** The largest such N. */
  cc_ewma_max: { default: 10, min: 2, max: int32Max },
  /** N of the smoothing of round trips in slow start. */
  cc_ewma_ss: { default: 2, min: 2, max: int32Max },
  /** The weight of the present round trip when the lowest is forgotten because the window is at its minimum, percent. */
  cc_rtt_reset_pct: { default: 100, min: 0, max: 100 },
  /** Queue below which the window grows, cells, by the kind of path. */
  cc_vegas_alpha_exit: { default: 3 * outbuf, min: 0, max: 1000 },
  cc_vegas_alpha_onion: { default: 3 * outbuf, min: 0, max: 1000 },
  cc_vegas_alpha_sbws: { default: 2 * outbuf - record, min: 0, max: 1000 },
  /** Queue above which the window shrinks, cells. */
  cc_vegas_beta_exit: { default: 4 * outbuf, min: 0, max: 1000 },
  cc_vegas_beta_onion: { default: 6 * outbuf, min: 0, max: 1000 },
  cc_vegas_beta_sbws: { default: 2 * outbuf + record, min: 0, max: 1000 },
  /** Queue at which slow start ends, cells. */
  cc_vegas_gamma_exit: { default: 3 * outbuf, min: 0, max: 1000 },
  cc_vegas_gamma_onion: { default: 4 * outbuf, min: 0, max: 1000 },
  cc_vegas_gamma_sbws: { default: 2 * outbuf, min: 0, max: 1000 },
  /** Queue at which the window is cut down to what leaves so much, cells. */
  cc_vegas_delta_exit: { default: 5 * outbuf, min: 0, max: int32Max },
  cc_vegas_delta_onion: { default: 7 * outbuf, min: 0, max: int32Max },
  cc_vegas_delta_sbws: { default: 4 * outbuf, min: 0, max: int32Max },
  /** The window above which slow start becomes slower (RFC 3742), cells. */
  cc_sscap_exit: { default: 600, min: 100, max: int32Max },
  cc_sscap_onion: { default: 475, min: 100, max: int32Max },
  cc_sscap_sbws: { default: 400, min: 100, max: int32Max },
  /** The fixed window to begin with, cells (param-spec, 1). */
  circwindow: { default: 1000, min: 100, max: 1000 },
  /** The lowest version of SENDME to send (tor-spec 7.3.1). */
  sendme_emit_min_version: { default: 1, min: 0, max: 255 },
  /** The lowest version of SENDME to accept. */
  sendme_accept_min_version: { default: 0, min: 0, max: 255 },
  /** Cells in a circuit's queue towards the channel at which the circuit counts as blocked, and again as open. */
  cellq_high: { default: 256, min: 1, max: 1000 },
  cellq_low: { default: 10, min: 1, max: 1000 },
} as const satisfies Readonly<Record<string, ParamRange>>;
