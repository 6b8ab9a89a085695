/** Zeros before the random padding of a cell, and the least random bytes after them that make its digest unguessable. */
const ROOM_BYTES = 4 + 16;

/**
 * Sees to it that a SENDME proves what it claims (proposal 289): its tag is a digest of what was sent, so somebody who knows
 * the bytes of a stream could compute it without having received them, unless some cell before it had random padding. Full
 * cells have none; so in each stretch of cells one is left some room, if none had it by itself.
 *
 * Stretches have random lengths of at most half the cells that one SENDME acknowledges, so that each SENDME covers a whole one.
 */
export class SendmeRandomness {
  /** The most bytes of data that the next cell may carry. */
  limit: number;
  private readonly full: number;
  private readonly spared: number;
  private readonly shortest: number;
  private readonly below: (limit: number) => number;
  /** Cells left in this stretch. */
  private left = 0;
  private satisfied = false;

  /**
   * @param sendmeInc DATA cells that one SENDME acknowledges
   * @param maxDataLength bytes of data in a full cell
   * @param below draws an integer in [0, limit)
   */
  constructor(sendmeInc: number, maxDataLength: number, below: (limit: number) => number) {
    this.full = maxDataLength;
    this.spared = maxDataLength - ROOM_BYTES;
    this.shortest = Math.max(1, Math.floor(sendmeInc / 4));
    this.below = below;
    this.limit = maxDataLength;
    this.begin();
  }

  /** A DATA cell with so many bytes of data was packaged. */
  onPackaged(length: number): void {
    if (length <= this.spared) this.satisfied = true;
    if (--this.left === 0) this.begin();
    else this.limit = this.left === 1 && !this.satisfied ? this.spared : this.full;
  }

  private begin(): void {
    this.left = this.shortest + this.below(this.shortest);
    this.satisfied = false;
    this.limit = this.left === 1 ? this.spared : this.full;
  }
}
