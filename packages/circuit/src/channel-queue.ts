/**
 * Whether a circuit's queue towards its channel is blocked, which congestion control takes for congestion (proposal 324, 3.3):
 * from the high mark on, until the queue has fallen to the low mark. Asked before and after each train that is queued, and
 * when a SENDME arrives, it misses nothing: between those the queue only falls.
 */
export class ChannelQueue {
  private readonly high: number;
  private readonly low: number;
  blocked = false;

  /** @param marks in cells: `cellq_high` and `cellq_low` */
  constructor(marks: { readonly high: number; readonly low: number }) {
    this.high = marks.high;
    this.low = marks.low;
  }

  /** So many cells wait now. Returns whether that is blocked. */
  look(cells: number): boolean {
    if (cells >= this.high) this.blocked = true;
    else if (cells <= this.low) this.blocked = false;
    return this.blocked;
  }
}
