import { RESEND_BYTES } from "../limits.ts";
import { TrainQueue } from "./train-queue.ts";

/** A train that was sent, to be sent again. */
export interface KeptTrain<T> {
  /** The number of its first cell. */
  readonly first: number;
  readonly cells: number;
  /** As they were given to `keep`. */
  readonly bytes: number;
  readonly payload: T;
}

/**
 * Cells that were sent and not acknowledged, kept so that they can be sent again when their leg ends: proposal 329, 2.7, which
 * `tor` and Arti leave out. A queue for each leg, since a SENDME acknowledges cells of the leg that it comes on.
 *
 * Bounded in bytes. What does not fit leaves a gap: what went with a leg that has one cannot be sent again.
 */
export class ResendBuffer<T extends object> {
  /** Bytes that are kept, for legs and to be sent again. */
  bytes = 0;
  private readonly limit: number;
  /** By leg. A train without payload is a gap. The mark of a train is how many of its DATA cells are not acknowledged. */
  private readonly lanes = new Map<number, TrainQueue<T | undefined>>();
  /** What went with legs, in the order of its numbers. */
  private lost: Array<KeptTrain<T>> = [];

  constructor(limitBytes = RESEND_BYTES) {
    this.limit = limitBytes;
  }

  /**
   * A train is being sent on a leg.
   * @param first the number of its first cell
   * @param data how many of its cells are DATA
   * @param bytes charged while it is kept
   * @returns false if there is no room for it: then it is gone
   */
  keep(leg: number, first: number, cells: number, data: number, bytes: number, payload: T): boolean {
    const lane = this.laneOf(leg);
    if (this.bytes + bytes > this.limit) {
      leaveGap(lane, first, cells, data);
      return false;
    }
    lane.push(first, cells, bytes, data, payload);
    this.bytes += bytes;
    return true;
  }

  /** SENDMEs came on a leg, for `data` DATA cells: they, and what went before them on this leg, have arrived. */
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
   * A leg has ended: what is kept of it is to be sent again.
   * @returns false if some of it is gone: the set has to end
   */
  onLegEnded(leg: number): boolean {
    const lane = this.lanes.get(leg);
    this.lanes.delete(leg);
    let isWhole = true;
    for (let index = 0; lane !== undefined && index < lane.size; index++) {
      const payload = lane.payloadAt(index);
      if (payload === undefined) {
        isWhole = false;
        continue;
      }
      this.lost.push({
        first: lane.firstAt(index),
        cells: lane.cellsAt(index),
        bytes: lane.bytesAt(index),
        payload,
      });
    }
    this.lost.sort((one, other) => one.first - other.first);
    return isWhole;
  }

  /** What is to be sent again next: that with the lowest number. */
  get next(): KeptTrain<T> | undefined {
    return this.lost[0];
  }

  /** What was next is being sent again on a leg, with so many DATA cells in it: it waits for SENDMEs there. */
  onSentAgain(leg: number, data: number): void {
    const train = this.lost.shift();
    if (train !== undefined) this.laneOf(leg).push(train.first, train.cells, train.bytes, data, train.payload);
  }

  /**
   * Lets go of everything: memory has run out. What is in flight now cannot be sent again; what is kept from now on can.
   * @returns false if some of it was to be sent again: the set has to end
   */
  clear(): boolean {
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
    const wasWhole = this.lost.length === 0;
    this.lost = [];
    this.bytes = 0;
    return wasWhole;
  }

  /** There are as many as the set has legs. */
  private laneOf(leg: number): TrainQueue<T | undefined> {
    let lane = this.lanes.get(leg);
    if (lane === undefined) {
      lane = new TrainQueue();
      this.lanes.set(leg, lane);
    }
    return lane;
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
