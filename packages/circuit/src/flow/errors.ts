/**
 * What a peer did against the rules of stream-level flow control:
 *
 * - `window-overflow`: a stream SENDME would open the window further than it ever was
 * - `window-overrun`: a DATA cell more than the stream's window allowed
 * - `wrong-kind`: a SENDME on a stream with XON/XOFF, or an XON or XOFF on a stream with windows
 * - `xoff-repeated`: an XOFF after an XOFF, without an XON between them
 * - `xoff-early`, `xon-early`: before so much was sent that the other end could have reason for it
 * - `xoff-frequent`, `xon-frequent`: more of them than what was sent can have caused
 */
export type FlowProblem =
  | "window-overflow"
  | "window-overrun"
  | "wrong-kind"
  | "xoff-repeated"
  | "xoff-early"
  | "xoff-frequent"
  | "xon-early"
  | "xon-frequent";

/**
 * The other end of a stream violated stream-level flow control (tor-spec 7.4, proposal 324, section 4). Always a protocol
 * violation: the circuit is to be closed.
 */
export class FlowError extends Error {
  readonly _tag = "FlowError";
  override readonly name = "FlowError";
  /** The kind of violation, see {@link FlowProblem}. */
  readonly problem: FlowProblem;

  constructor(problem: FlowProblem, detail: string) {
    super(detail);
    this.problem = problem;
  }
}
