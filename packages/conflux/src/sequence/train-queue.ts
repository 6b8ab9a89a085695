/** Places of taken trains that are kept before the arrays are moved up. */
const SLACK = 64;

/**
 * Trains in the order in which they were put in, with their numbers. Arrays of numbers side by side, and no object for each
 * train. What it may hold is its owner's to bound.
 */
export class TrainQueue<T> {
  private firsts: Array<number> = [];
  private cells: Array<number> = [];
  private sizes: Array<number> = [];
  private marks: Array<number> = [];
  private payloads: Array<T | undefined> = [];
  private head = 0;

  /** Trains in it. */
  get size(): number {
    return this.firsts.length - this.head;
  }

  /**
   * Puts a train at the end.
   * @param first the number of its first cell
   * @param cells how many there are
   * @param bytes what is charged for it
   * @param mark a number of the owner's
   */
  push(first: number, cells: number, bytes: number, mark: number, payload: T): void {
    this.firsts.push(first);
    this.cells.push(cells);
    this.sizes.push(bytes);
    this.marks.push(mark);
    this.payloads.push(payload);
  }

  /** The number of the first cell of the train at `index`; the first train has 0. */
  firstAt(index: number): number {
    return this.firsts[this.head + index] as number;
  }

  cellsAt(index: number): number {
    return this.cells[this.head + index] as number;
  }

  setCellsAt(index: number, cells: number): void {
    this.cells[this.head + index] = cells;
  }

  bytesAt(index: number): number {
    return this.sizes[this.head + index] as number;
  }

  markAt(index: number): number {
    return this.marks[this.head + index] as number;
  }

  setMarkAt(index: number, mark: number): void {
    this.marks[this.head + index] = mark;
  }

  payloadAt(index: number): T {
    return this.payloads[this.head + index] as T;
  }

  /** Lets go of the first train. */
  shift(): void {
    this.payloads[this.head] = undefined;
    this.head++;
    if (this.head === this.firsts.length) this.clear();
    else if (this.head >= SLACK && this.head * 2 >= this.firsts.length) this.moveUp();
  }

  /** Lets go of all. */
  clear(): void {
    this.firsts.length = 0;
    this.cells.length = 0;
    this.sizes.length = 0;
    this.marks.length = 0;
    this.payloads.length = 0;
    this.head = 0;
  }

  private moveUp(): void {
    this.firsts = this.firsts.slice(this.head);
    this.cells = this.cells.slice(this.head);
    this.sizes = this.sizes.slice(this.head);
    this.marks = this.marks.slice(this.head);
    this.payloads = this.payloads.slice(this.head);
    this.head = 0;
  }
}
