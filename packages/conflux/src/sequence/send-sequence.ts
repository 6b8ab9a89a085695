import { FORCED_SWITCH_CELLS, MAX_LEGS, MAX_RELATIVE_SEQNO } from "../limits.ts";
import { NO_LEG } from "../no-leg.ts";

/**
 * Which number the next cell of a set has, and what the other end has to be told for it. Proposal 329, 2.6; `tor`:
 * last_seq_sent, conflux_decide_circ_for_send and conflux_note_cell_sent; Arti: maybe_update_primary_leg.
 *
 * Cells that count (see `multiplexedCommands`) are numbered from 1 on, whichever leg they take. A cell does not carry its
 * number: each end knows the last one of each leg, and a cell on a leg has the next. The invariant, of both ends:
 *
 * - `last(leg)` is the number of the last cell that was sent on the leg, or that a SWITCH on it skipped to;
 * - `sent` is the number of the last cell of the set, the highest `last` that any leg has had;
 * - a new cell on `leg` must have the number `sent + 1`. If `last(leg)` is not `sent`, a SWITCH with `sent - last(leg)` goes
 *   before it on that leg, and sets `last(leg) = sent`. The SWITCH itself has no number: the cell behind it is `sent + 1`.
 *
 * By hand, legs A and B, both from 0. The first steps are the example of the proposal:
 *
 * | what is sent | SWITCH before it | cells are | last of A | last of B |
 * | --- | --- | --- | --- | --- |
 * | 10 on A | none | 1 to 10 | 10 | 0 |
 * | 21 on B | 10 - 0 = 10 | 11 to 31 | 10 | 31 |
 * | 5 on A | 31 - 10 = 21 | 32 to 36 | 36 | 31 |
 * | 1 on A | none | 37 | 37 | 31 |
 * | 1 on B | 37 - 31 = 6 | 38 | 37 | 38 |
 *
 * `tor` also sends a SWITCH of 0, if it leaves a leg on which it has sent nothing; Arti takes that for a violation, and it says
 * nothing, so it is never sent here.
 *
 * Legs are named by numbers of the caller, which are not used again in the life of a set.
 */
export class SendSequence {
  /** The number of the last cell of the set. */
  sent = 0;
  // By `concat`, which leaves no room for more: a set is small, and there are thousands.
  private legs: Array<number> = [];
  private lasts: Array<number> = [];

  /** @param sent the number of the last cell, where the numbers of a set go on */
  constructor(sent = 0) {
    this.sent = sent;
  }

  /**
   * A leg is linked.
   * @param at the number that it starts from, see `legStart`
   * @returns false if there are as many legs as there may be
   */
  addLeg(leg: number, at: number): boolean {
    if (this.legs.includes(leg)) throw new RangeError(`leg ${leg} is there already`);
    if (at > this.sent) throw new RangeError(`leg ${leg} starts at ${at}, beyond ${this.sent}`);
    if (this.legs.length >= MAX_LEGS) return false;
    this.legs = this.legs.concat(leg);
    this.lasts = this.lasts.concat(at);
    return true;
  }

  /** A leg has ended. */
  removeLeg(leg: number): void {
    const index = this.legs.indexOf(leg);
    if (index < 0) return;
    this.legs.splice(index, 1);
    this.lasts.splice(index, 1);
  }

  /** The number of the last cell on a leg. */
  last(leg: number): number {
    return this.lasts[this.indexOf(leg)] as number;
  }

  /** Whether a SWITCH on this leg would fit its 32 bits. A leg of which that is not so is of no use any more. */
  reachable(leg: number): boolean {
    return this.sent - this.last(leg) <= MAX_RELATIVE_SEQNO;
  }

  /**
   * The leg that has to be used next, even if it is not the best, before a SWITCH on it does not fit any more: the one that is
   * furthest behind of those that are 2^31 cells or more; {@link NO_LEG} if none is.
   */
  due(): number {
    let due = NO_LEG;
    let lowest = this.sent - FORCED_SWITCH_CELLS;
    for (let index = 0; index < this.legs.length; index++) {
      const last = this.lasts[index] as number;
      if (last > lowest || this.sent - last > MAX_RELATIVE_SEQNO) continue;
      if (due !== NO_LEG && last === lowest) continue;
      lowest = last;
      due = this.legs[index] as number;
    }
    return due;
  }

  /**
   * `n` cells go out on a leg.
   * @returns the number of the SWITCH to send on it before them; 0 if none is needed
   */
  send(leg: number, n: number): number {
    const index = this.indexOf(leg);
    const relative = this.sent - (this.lasts[index] as number);
    if (relative > MAX_RELATIVE_SEQNO) throw new RangeError(`leg ${leg} is ${relative} cells behind`);
    this.sent += n;
    this.lasts[index] = this.sent;
    return relative;
  }

  /**
   * Cells that went out on a leg that has ended go out on another: `n` of them, the first of which has the number `first`. The
   * numbers of the set do not move (proposal 329, 2.7).
   * @returns the number of the SWITCH to send before them, 0 if none is needed; below 0 if this leg is beyond them already: then a REWIND goes before
   * them, to the number before `first`
   */
  sendAgain(leg: number, first: number, n: number): number {
    if (first + n - 1 > this.sent) throw new RangeError(`cell ${first + n - 1} was never sent`);
    const index = this.indexOf(leg);
    const relative = first - 1 - (this.lasts[index] as number);
    if (relative > MAX_RELATIVE_SEQNO) throw new RangeError(`leg ${leg} is ${relative} cells behind`);
    this.lasts[index] = first + n - 1;
    return relative;
  }

  private indexOf(leg: number): number {
    const index = this.legs.indexOf(leg);
    if (index < 0) throw new RangeError(`no leg ${leg}`);
    return index;
  }
}
