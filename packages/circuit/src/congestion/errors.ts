/**
 * What a peer did against the rules of circuit-level flow control:
 *
 * - `sendme-unexpected`: a SENDME, but no cell is in flight that one would acknowledge
 * - `sendme-version`: its version is below the network's minimum, or unknown
 * - `sendme-tag`: its authentication tag is missing, too short, or not that of the cell that it would acknowledge
 * - `window-overflow`: it would open the window further than it ever was
 * - `window-overrun`: a DATA cell more than the window allowed
 * - `sendme-increment`: the other end offers an increment that is too far from the network's
 */
export type CongestionProblem =
  | "sendme-unexpected"
  | "sendme-version"
  | "sendme-tag"
  | "window-overflow"
  | "window-overrun"
  | "sendme-increment";

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
