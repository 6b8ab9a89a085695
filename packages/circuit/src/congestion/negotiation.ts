import { CongestionError } from "./errors.ts";
import type { AgreedParams, CongestionParams } from "./params.ts";

/**
 * How far the other end's `sendme_inc` may be from the consensus's: both ends may hold consensuses of different hours
 * (proposal 324, 10.3, as `tor` since 0.4.8 and Arti have it).
 */
const sendmeIncTolerance = 1;

/** Whether the initiator of a circuit hop puts a congestion control request into its ntor-v3 handshake (proposal 324, 10.3). */
export const requestsCongestionControl = (params: CongestionParams): boolean => params.preferred === "vegas";

/** What the responder of a circuit hop decides on a handshake. */
export interface Agreement {
  readonly agreed: AgreedParams;
  /** The `sendme_inc` to put into the congestion control response; `undefined` for no response. */
  readonly sendmeInc: number | undefined;
}

/**
 * Decides as responder (a relay): congestion control is used if the initiator asked for it and the consensus has it.
 *
 * @param requested whether the handshake carried a congestion control request
 */
export const agreeAsResponder = (params: CongestionParams, requested: boolean): Agreement =>
  requested && params.preferred === "vegas"
    ? { agreed: params.vegas, sendmeInc: params.vegas.sendmeInc }
    : { agreed: params.fixedWindow, sendmeInc: undefined };

/**
 * Decides as initiator (a client): congestion control is used if the responder granted it.
 *
 * @param requested whether it was asked for
 * @param sendmeInc the `sendme_inc` of the congestion control response, `undefined` if there was none
 * @throws CongestionError `increment` or `unrequested`; the circuit is not to be used
 */
export const agreeAsInitiator = (
  params: CongestionParams,
  requested: boolean,
  sendmeInc: number | undefined,
): AgreedParams => {
  if (sendmeInc === undefined) return params.fixedWindow;
  if (!requested) throw new CongestionError("unrequested", "Congestion control was granted and not asked for");
  const ours = params.vegas.sendmeInc;
  if (sendmeInc < 1 || Math.abs(sendmeInc - ours) > sendmeIncTolerance) {
    throw new CongestionError("increment", `A SENDME for each ${sendmeInc} cells; the consensus says ${ours}`);
  }
  return { ...params.vegas, sendmeInc };
};
