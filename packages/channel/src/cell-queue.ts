/** Whole cells that wait to be written, first in, first out. */
export class CellQueue {
  private readonly cells: Array<Buffer> = [];
  private head = 0;

  get length(): number {
    return this.cells.length - this.head;
  }

  push(cell: Buffer): void {
    this.cells.push(cell);
  }

  /** Moves as many whole cells to `out` as fit behind `at`; returns the new end. */
  drain(out: Buffer, at: number): number {
    let end = at;
    for (let cell = this.cells[this.head]; cell !== undefined; cell = this.cells[this.head]) {
      if (end + cell.length > out.length) break;
      end += cell.copy(out, end);
      this.head++;
    }
    if (this.head === this.cells.length) {
      this.cells.length = 0;
      this.head = 0;
    } else if (this.head >= COMPACT_AT) {
      this.cells.splice(0, this.head);
      this.head = 0;
    }
    return end;
  }
}

/** The drained head is cut off when it is this long. */
const COMPACT_AT = 256;
