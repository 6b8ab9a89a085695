import type { CongestionView } from "@allium/circuit";

/** What a scheduler sees of a leg: as of now, and nothing to change. */
export interface LegView {
  /** The leg's number in its set. */
  readonly leg: number;
  /** The smoothed round trip, microseconds: that of the handshake until a SENDME has given a better one. 0 while it is not measured. */
  readonly rttUs: number;
  /** The lowest smoothed round trip, microseconds. 0 while it is not measured. */
  readonly minRttUs: number;
  /** The congestion window, cells. */
  readonly cwnd: number;
  /** DATA cells sent and not acknowledged. */
  readonly inflight: number;
  /** DATA cells that may be sent now. */
  readonly room: number;
  /** DATA cells that a SENDME acknowledges. */
  readonly sendmeInc: number;
  /** Whether the circuit's queue towards its channel is full. */
  readonly blocked: boolean;
  /** Whether the window is still growing towards its first sign of congestion. */
  readonly inSlowStart: boolean;
}

/** Where a {@link LegView} of a circuit reads. */
export interface CircuitLeg {
  readonly leg: number;
  /** Congestion control of the hop that the legs meet at. */
  readonly view: CongestionView;
  readonly sendmeInc: number;
  /** The round trip of the handshake, microseconds; 0 while there is none. */
  linkRttUs(): number;
  /** DATA cells that may be packaged: less than the window has room for, while some are on their way to be sent. */
  room(): number;
  blocked(): boolean;
}

class CircuitLegView implements LegView {
  readonly leg: number;
  readonly sendmeInc: number;
  private readonly source: CircuitLeg;

  constructor(source: CircuitLeg) {
    this.leg = source.leg;
    this.sendmeInc = source.sendmeInc;
    this.source = source;
  }

  get rttUs(): number {
    return this.source.view.rttUs ?? this.source.linkRttUs();
  }

  get minRttUs(): number {
    return this.source.view.minRttUs ?? this.source.linkRttUs();
  }

  get cwnd(): number {
    return this.source.view.cwnd;
  }

  get inflight(): number {
    return this.source.view.inflight;
  }

  get room(): number {
    return this.source.room();
  }

  get blocked(): boolean {
    return this.source.blocked();
  }

  get inSlowStart(): boolean {
    return this.source.view.inSlowStart;
  }
}

/** The view of a leg that is a circuit of this process. Always the same object, so that it is made once. */
export const legView = (source: CircuitLeg): LegView => new CircuitLegView(source);

/** Whether DATA may be sent on a leg now. `tor`: circuit_ready_to_send. */
export const isReady = (leg: LegView): boolean => leg.room > 0 && !leg.blocked;

/**
 * Of the legs with a round trip the one with the lowest, the first of those with the same. The round trip of a leg that is not
 * measured counts as infinite (proposal 329, 2.4.2).
 */
export const lowestRtt = (legs: ReadonlyArray<LegView>): LegView | undefined => {
  let lowest: LegView | undefined;
  for (const leg of legs) if (leg.rttUs > 0 && (lowest === undefined || leg.rttUs < lowest.rttUs)) lowest = leg;
  return lowest;
};
