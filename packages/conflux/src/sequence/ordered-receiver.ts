import { MAX_CELLS_AHEAD, REORDER_BYTES } from "../limits.ts";
import { ReceiveSequence } from "./receive-sequence.ts";
import { type Lane, ReorderQueue } from "./reorder-queue.ts";

export interface OrderedReceiverOptions<T> {
  /** Bytes that may wait; {@link REORDER_BYTES} if left out. */
  readonly limitBytes?: number;
  /** The number of the last cell that was delivered, where the numbers of a set go on. */
  readonly delivered?: number;
  /**
   * For sets that resume: a train without its first `cells` cells. Then cells may come twice, and each is delivered once. If left
   * out, cells that come again are a violation, and the train that they are in is dropped.
   */
  readonly skip?: (payload: T, cells: number) => T;
}

/**
 * What became of a train:
 *
 * - `deliver`: it is next; hand it on, then whatever `next` gives
 * - `held`: it waits, or came in part before; hand on whatever `next` gives
 * - `dropped`: cells of it had come before. Without `skip` that is the violation `repeated-cells`
 * - `full`: it does not fit, and nothing has changed. The violation `reorder-full`: a gap can only grow from here
 */
export type Received = "deliver" | "held" | "dropped" | "full";

/**
 * Restores the order of a set's cells: each train that comes on any leg goes in, and trains come out in the order in which they
 * were sent. Proposal 329, 2.6; `tor`: conflux_process_cell and conflux_dequeue_cell.
 *
 * Only trains of multiplexed commands come in here. They are counted for congestion control before (proposal 329, 2.5).
 */
export class OrderedReceiver<T extends object> {
  /** Numbers of the legs: add, remove, and give SWITCHes to it. */
  readonly sequence: ReceiveSequence;
  /** What waits. */
  readonly queue: ReorderQueue<T>;
  /** Cells that came again. Without `skip`, any are the violation `repeated-cells`: look after each `receive` and `next`. */
  repeats = 0;
  private readonly skip: ((payload: T, cells: number) => T) | undefined;

  constructor(options: OrderedReceiverOptions<T> = {}) {
    this.sequence = new ReceiveSequence(options.delivered, options.skip !== undefined);
    this.queue = new ReorderQueue(options.limitBytes ?? REORDER_BYTES);
    this.skip = options.skip;
  }

  /**
   * A train came.
   * @param leg that it came on
   * @param cells in it, one at least
   * @param bytes charged while it waits
   * @param arrival its place in time: any number that grows
   */
  receive(leg: number, cells: number, bytes: number, payload: T, arrival: number): Received {
    const { delivered } = this.sequence;
    const first = this.sequence.last(leg) + 1;
    const last = first + cells - 1;
    // How many of them came before: none of nearly all trains.
    const before = Math.max(0, Math.min(last, delivered) - first + 1);
    const cut = before > 0 && before < cells && this.skip !== undefined;
    if (last > delivered + MAX_CELLS_AHEAD) return "full";
    if (first > delivered + 1 && !this.queue.fits(this.sequence.lane(leg), bytes)) return "full";
    if (cut && !this.queue.fits(this.sequence.lane(leg), 0)) return "full";
    this.sequence.onCells(leg, cells);
    this.repeats += before;
    if (first === delivered + 1) {
      this.sequence.delivered = last;
      return "deliver";
    }
    if (before === 0) {
      this.queue.push(this.sequence.lane(leg), first, cells, bytes, arrival, payload);
      return "held";
    }
    if (!cut || this.skip === undefined) return "dropped";
    // What is left of it is next: `next` gives it at once, so that it may pass the bound in bytes.
    this.queue.push(this.sequence.lane(leg), delivered + 1, cells - before, bytes, arrival, this.skip(payload, before));
    return "held";
  }

  /** The train that is next, if it is there. Call it until it gives none. */
  next(): T | undefined {
    if (this.queue.trains === 0) return undefined;
    for (const lane of this.queue.lanes) {
      while (lane.trains.size > 0 && lane.trains.firstAt(0) <= this.sequence.delivered + 1) {
        const payload = this.take(lane);
        if (payload !== undefined) return payload;
      }
    }
    return undefined;
  }

  /** Takes the first train of a lane, which begins no later than the cell that is next. */
  private take(lane: Lane<T>): T | undefined {
    const { trains } = lane;
    const before = this.sequence.delivered + 1 - trains.firstAt(0);
    const cells = trains.cellsAt(0);
    const payload = trains.payloadAt(0);
    this.queue.shift(lane);
    this.repeats += Math.min(before, cells);
    if (before >= cells) return undefined;
    if (before > 0 && this.skip === undefined) return undefined;
    this.sequence.delivered += cells - before;
    return before === 0 || this.skip === undefined ? payload : this.skip(payload, before);
  }
}
