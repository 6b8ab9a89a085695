import { MAX_LANES, RESEND_BYTES } from "../limits.ts";
import { TrainQueue } from "./train-queue.ts";

/** A train that was sent, to be sent again. */
export interface KeptTrain<T> {
  /** The number of its first cell. */
  readonly first: number;
  readonly cells: number;
  /** As they were given to `keep`. */
  readonly bytes: number;
  readonly isData: boolean;
  readonly payload: T;
}

/**
 * Cells that were sent and not acknowledged, kept so that they can be sent again when their leg ends: proposal 329, 2.7, which
 * `tor` and Arti leave out. A queue for each leg, since a SENDME acknowledges cells of the leg that it comes on.
 *
 * Bounded in bytes. What does not fit leaves a gap: a leg with a gap behind what the peer has cannot be resumed.
 */
export class ResendBuffer<T extends object> {
  /** Bytes that are kept. */
  bytes = 0;
  private readonly limit: number;
  /** By leg. A train without payload is a gap. The mark of a train is how many of its DATA cells are not acknowledged. */
  private readonly lanes = new Map<number, TrainQueue<T | undefined>>();

  /** Whether there was no lane for some leg. */
  private refused = false;

  constructor(limitBytes = RESEND_BYTES) {
    this.limit = limitBytes;
  }

  /**
   * A train is being sent on a leg. All of its cells are DATA, or none is.
   * @param first the number of its first cell
   * @param bytes charged while it is kept
   * @returns false if there is no room for it: then it is gone
   */
  keep(leg: number, first: number, cells: number, isData: boolean, bytes: number, payload: T): boolean {
    let lane = this.lanes.get(leg);
    if (lane === undefined) {
      if (this.lanes.size >= MAX_LANES) {
        this.refused = true;
        return false;
      }
      lane = new TrainQueue();
      this.lanes.set(leg, lane);
    }
    const data = isData ? cells : 0;
    if (this.bytes + bytes > this.limit) {
      leaveGap(lane, first, cells, data);
      return false;
    }
    lane.push(first, cells, bytes, data, payload);
    this.bytes += bytes;
    return true;
  }

  /** A SENDME came on a leg, for `data` DATA cells: they, and what went before them on this leg, have arrived. */
  release(leg: number, data: number): void {
    const lane = this.lanes.get(leg);
    let left = data;
    while (lane !== undefined && left > 0 && lane.size > 0) {
      const mark = lane.markAt(0);
      if (mark > left) {
        lane.setMarkAt(0, mark - left);
        return;
      }
      left -= mark;
      this.bytes -= lane.bytesAt(0);
      lane.shift();
    }
  }

  /**
   * What has to be sent again of legs that have ended, on a leg that is linked in their place.
   * @param received the number of the last cell that the peer says it has delivered
   * @returns trains in the order of their numbers. One may begin before what is missing: of that only the cells beyond
   * `received` are to be sent. `undefined` if some are gone: the set has to end
   */
  after(legs: ReadonlyArray<number>, received: number): ReadonlyArray<KeptTrain<T>> | undefined {
    const kept: Array<KeptTrain<T>> = [];
    for (const leg of legs) {
      const lane = this.lanes.get(leg);
      if (lane === undefined && this.refused) return undefined;
      for (let index = 0; lane !== undefined && index < lane.size; index++) {
        const first = lane.firstAt(index);
        const cells = lane.cellsAt(index);
        if (first + cells - 1 <= received) continue;
        const payload = lane.payloadAt(index);
        if (payload === undefined) return undefined;
        kept.push({ first, cells, bytes: lane.bytesAt(index), isData: lane.markAt(index) > 0, payload });
      }
    }
    return kept.sort((a, b) => a.first - b.first);
  }

  /**
   * What `after` gave is being sent again on the leg `to`: it waits for SENDMEs there, and the legs that have ended are forgotten.
   * For the same legs and number as `after`.
   */
  moved(legs: ReadonlyArray<number>, to: number, received: number): void {
    const again = this.after(legs, received) ?? [];
    for (const leg of legs) this.forget(leg);
    for (const { first, cells, isData, bytes, payload } of again) {
      const before = Math.max(0, received + 1 - first);
      this.keep(to, first + before, cells - before, isData, bytes, payload);
    }
  }

  private forget(leg: number): void {
    const lane = this.lanes.get(leg);
    if (lane === undefined) return;
    for (let index = 0; index < lane.size; index++) this.bytes -= lane.bytesAt(index);
    this.lanes.delete(leg);
  }

  /** Lets go of everything: memory has run out. What is in flight now cannot be sent again; what is kept from now on can. */
  clear(): void {
    for (const lane of this.lanes.values()) {
      let data = 0;
      for (let index = 0; index < lane.size; index++) data += lane.markAt(index);
      const size = lane.size;
      if (size === 0) continue;
      const first = lane.firstAt(0);
      const last = lane.firstAt(size - 1) + lane.cellsAt(size - 1) - 1;
      lane.clear();
      leaveGap(lane, first, last - first + 1, data);
    }
    this.bytes = 0;
  }
}

/** Notes that a train was sent and is not kept: SENDMEs for its cells are still to come. Gaps side by side are one. */
const leaveGap = <T>(lane: TrainQueue<T | undefined>, first: number, cells: number, data: number): void => {
  const end = lane.size - 1;
  if (end < 0 || lane.payloadAt(end) !== undefined) {
    lane.push(first, cells, 0, data, undefined);
    return;
  }
  lane.setCellsAt(end, first + cells - lane.firstAt(end));
  lane.setMarkAt(end, lane.markAt(end) + data);
};
