/**
 * How old the oldest bytes of a queue are, for queues that do not keep apart what they got: bytes in a socket, say. It is told
 * totals, and keeps a few marks: from which byte on what came was charged at which place in line. When there are too many, two
 * neighbours become one, and what the later of them stood for counts as older than it is.
 */
export class QueueAge {
  /** Empty arrays are shared, and filled ones let go: most queues are empty most of the time. */
  private froms: Array<number> = NONE;
  private places: Array<number> = NONE;
  private known = 0;

  /**
   * @param left bytes that have ever left the queue
   * @param came bytes that have ever come; those since the last call came at this `place`
   */
  note(left: number, came: number, place: number): void {
    this.forget(left);
    if (came > this.known) {
      if (this.froms === NONE) {
        this.froms = [this.known];
        this.places = [place];
      } else {
        this.froms.push(this.known);
        this.places.push(place);
      }
      this.known = came;
      if (this.froms.length > MAX_MARKS) this.merge();
    }
  }

  /** The place in line of the oldest bytes, if `left` have left; `undefined` if none wait. */
  oldest(left: number): number | undefined {
    this.forget(left);
    return this.places[0];
  }

  /** Where the bytes of a mark end. */
  private endOf(at: number): number {
    return this.froms[at + 1] ?? this.known;
  }

  /** Drops the marks of what has left. */
  private forget(left: number): void {
    let gone = 0;
    while (gone < this.froms.length && this.endOf(gone) <= left) gone++;
    if (gone > 0) this.drop(0, gone);
  }

  /** Makes one of the two neighbours that stand for the fewest bytes. */
  private merge(): void {
    let best = 1;
    let fewest = Number.POSITIVE_INFINITY;
    for (let at = 1; at < this.froms.length; at++) {
      const bytes = this.endOf(at) - (this.froms[at - 1] as number);
      if (bytes >= fewest) continue;
      fewest = bytes;
      best = at;
    }
    this.drop(best, 1);
  }

  private drop(at: number, count: number): void {
    if (count === this.froms.length) {
      this.froms = NONE;
      this.places = NONE;
      return;
    }
    this.froms.splice(at, count);
    this.places.splice(at, count);
  }
}

const NONE: Array<number> = [];

/** Marks that a queue keeps. */
const MAX_MARKS = 16;
