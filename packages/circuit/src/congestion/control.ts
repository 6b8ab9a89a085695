import type { Micros } from "./units.ts";

/** Which algorithm governs a circuit hop: the windows of tor-spec 7.3, or TOR_VEGAS of proposal 324, section 3.3. */
export type CongestionAlgorithm = "fixed-window" | "vegas";

/**
 * The state of congestion control, to be read by others than its owner: conflux picks a leg by it, metrics report it. The
 * getters answer as of now; there is nothing here to change.
 */
export interface CongestionView {
  readonly algorithm: CongestionAlgorithm;
  /** The smoothed round trip time. `undefined` until measured, and always with fixed windows. */
  readonly rttUs: Micros | undefined;
  /** The lowest smoothed round trip time: what the circuit takes without queues. */
  readonly minRttUs: Micros | undefined;
  /** The congestion window: how many DATA cells may be in flight. */
  readonly cwnd: number;
  /** DATA cells sent and not yet acknowledged. May be above `cwnd` for a while after that shrank. */
  readonly inflight: number;
  /** DATA cells that may be sent now. Never negative. */
  readonly room: number;
  /** Whether the window is still growing towards its first sign of congestion. Never with fixed windows. */
  readonly inSlowStart: boolean;
  /** False while the monotonic clock is suspected of standing still (proposal 324, 2.1.1): then measure no rates by it. */
  readonly clockReliable: boolean;
}

/** What the local end knows about congestion when a SENDME arrives. */
export interface CongestionSignals {
  /** Whether the circuit's queue towards the channel is blocked. For Vegas that is congestion by itself. */
  readonly channelBlocked: boolean;
  /** Cells of this circuit that wait for the channel. Only used while no round trip could be measured; 0 if left out. */
  readonly channelQueue?: number;
}

/**
 * The sending half of a circuit hop's flow control: how many DATA cells may be sent, and what a circuit-level SENDME does to
 * that. Only DATA cells count (tor-spec 7.3). One owner feeds it; others read its {@link view}.
 *
 * To send a cell: ask `room()`, seal the cell, call `onCellSent`, and when that says so, hand over the cell's tag with
 * `rememberTag` before anything else happens to this machine.
 */
export interface CongestionControl {
  /** The state for others to read. Always the same object. */
  readonly view: CongestionView;
  /** DATA cells that one SENDME acknowledges, in both directions of the hop. */
  readonly sendmeInc: number;
  /** How streams of this hop are kept from flooding each other's ends: own windows, or XON/XOFF (proposal 324, section 4). */
  readonly streamFlow: "window" | "xon-xoff";
  /** DATA cells that may be sent now. Never negative. */
  readonly room: () => number;
  /**
   * A DATA cell is being sent. True if the other end will acknowledge this very cell: then `rememberTag` must follow.
   * Ask `room` first: a fixed window that is overdrawn is a defect. Vegas bears it, as its window may have shrunk since.
   */
  readonly onCellSent: (nowUs: Micros) => boolean;
  /**
   * The authentication tag of the cell for which `onCellSent` was true: 20 bytes of running digest, or whatever the
   * encryption of the hop takes in its place (at most 20). Copied.
   */
  readonly rememberTag: (tag: Uint8Array) => void;
  /**
   * A circuit-level SENDME came in. Versions: 0 carries no tag; 1 carries the tag of the cell that it acknowledges, compared
   * in constant time and in the order of sending. Bytes of `tag` beyond the expected length are ignored (tor-spec 7.3.1).
   *
   * @throws CongestionError if it breaks the rules; the circuit is to be closed
   */
  readonly onSendme: (version: number, tag: Uint8Array | undefined, nowUs: Micros, signals: CongestionSignals) => void;
}

/** The receiving half: counts DATA cells that came in over a circuit hop, and says when one has to be acknowledged. */
export interface ReceiveAccount {
  /**
   * A DATA cell came in and was recognised. True if it has to be acknowledged by a SENDME with this cell's tag, sent before
   * any later one.
   *
   * @throws CongestionError `window-overrun` if the other end had no window left (fixed windows only: with congestion control
   *   the other end's window is not known here)
   */
  readonly onCellReceived: () => boolean;
  /** A circuit-level SENDME was handed to the channel: the other end may send so many cells more. */
  readonly onSendmeSent: () => void;
  /** DATA cells received that no sent SENDME has acknowledged. */
  readonly unacknowledged: number;
}
