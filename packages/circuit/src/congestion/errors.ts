/**
 * What a peer did against the rules of circuit-level flow control:
 *
 * - `sendme-unexpected`: a SENDME, but no cell is in flight that one would acknowledge
 * - `sendme-version`: its version is below the network's minimum, or unknown
 * - `sendme-tag`: its authentication tag is missing, too short, or not that of the cell that it would acknowledge
 * - `window-overrun`: a DATA cell more than the window allowed
 * - `increment`: in the handshake it offers an increment of SENDMEs that is too far from the network's
 * - `unrequested`: it answers a request for congestion control that was not made
 */
export type CongestionProblem =
  | "sendme-unexpected"
  | "sendme-version"
  | "sendme-tag"
  | "window-overrun"
  | "increment"
  | "unrequested";

/**
 * The other end of a circuit hop violated circuit-level flow control (tor-spec 7.3, proposal 324). Always a protocol
 * violation: the circuit is to be closed, and the state machine that threw this is not to be used again.
 */
export class CongestionError extends Error {
  readonly _tag = "CongestionError";
  override readonly name = "CongestionError";
  /** The kind of violation, see {@link CongestionProblem}. */
  readonly problem: CongestionProblem;

  constructor(problem: CongestionProblem, detail: string) {
    super(detail);
    this.problem = problem;
  }
}
