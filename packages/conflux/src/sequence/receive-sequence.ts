import { MAX_CELLS_AHEAD, MAX_IDLE_SWITCHES, MAX_LEGS } from "../limits.ts";
import type { ConfluxViolationName } from "../violations.ts";

/**
 * Which number a cell has that came on a leg: the other end of `SendSequence`, where the invariant and the example are.
 * Proposal 329, 2.6; `tor`: last_seq_recv and conflux_process_switch_command; Arti: action_for_msg and handle_conflux_switch.
 *
 * The same example as the receiver sees it, all of A's first and then all of B's:
 *
 * | what comes | last of A | last of B | cells are |
 * | --- | --- | --- | --- |
 * | 10 cells on A | 10 | 0 | 1 to 10 |
 * | SWITCH 21 on A | 31 | 0 | |
 * | 6 cells on A | 37 | 0 | 32 to 37, which wait |
 * | SWITCH 10 on B | 37 | 10 | |
 * | 21 cells on B | 37 | 31 | 11 to 31, then 32 to 37 |
 * | SWITCH 6 on B | 37 | 37 | |
 * | 1 cell on B | 37 | 38 | 38 |
 */
export class ReceiveSequence {
  /** The number of the last cell that was delivered. Written by `OrderedReceiver`. */
  delivered: number;
  // By `concat`, which leaves no room for more: a set is small, and there are thousands.
  private legs: Array<number> = [];
  private lasts: Array<number> = [];
  /** Whether anything, a SWITCH or a cell, has come on the leg. */
  private used: Array<boolean> = [];
  /** Under which cells of the leg wait: another one whenever its numbers go back, since those of a lane only grow. */
  private lanes: Array<number> = [];
  private nextLane = 0;
  private idleSwitches = 0;
  private readonly resumes: boolean;

  /**
   * @param delivered the number of the last cell, where the numbers of a set go on
   * @param resumes whether legs may go back, and bring what went with others
   */
  constructor(delivered = 0, resumes = false) {
    this.delivered = delivered;
    this.resumes = resumes;
  }

  /**
   * A leg is linked.
   * @param at the number that it starts from, see `legStart`
   * @returns false if there are as many legs as there may be
   */
  addLeg(leg: number, at: number): boolean {
    if (this.legs.includes(leg)) throw new RangeError(`leg ${leg} is there already`);
    if (this.legs.length >= MAX_LEGS) return false;
    this.legs = this.legs.concat(leg);
    this.lasts = this.lasts.concat(at);
    this.used = this.used.concat(false);
    this.lanes = this.lanes.concat(this.nextLane++);
    return true;
  }

  /** A leg has ended. */
  removeLeg(leg: number): void {
    const index = this.legs.indexOf(leg);
    if (index < 0) return;
    this.legs.splice(index, 1);
    this.lasts.splice(index, 1);
    this.used.splice(index, 1);
    this.lanes.splice(index, 1);
  }

  /** The number of the last cell that came on a leg. */
  last(leg: number): number {
    return this.lasts[this.indexOf(leg)] as number;
  }

  /** The lane of a reorder queue that what comes on a leg waits in. */
  lane(leg: number): number {
    return this.lanes[this.indexOf(leg)] as number;
  }

  /** Whether all legs are beyond the next cell: then none of them brings it. */
  get hasPassed(): boolean {
    for (const last of this.lasts) if (last <= this.delivered) return false;
    return true;
  }

  /** A SWITCH came on a leg. Returns the rule that it breaks: then the set is to be ended. */
  onSwitch(leg: number, relative: number): ConfluxViolationName | undefined {
    const index = this.indexOf(leg);
    // `tor` sends a zero when it leaves a leg that it has chosen and not used, which is then the first thing on the other.
    if (relative === 0 && this.used[index]) return "switch-zero";
    if (relative > 0 && this.legs.length === 1 && !this.resumes) return "switch-alone";
    if (++this.idleSwitches > MAX_IDLE_SWITCHES) return "switch-flood";
    const last = (this.lasts[index] as number) + relative;
    if (last > this.delivered + MAX_CELLS_AHEAD) return "switch-too-far";
    this.lasts[index] = last;
    this.used[index] = true;
    return undefined;
  }

  /** A REWIND came on a leg: what went with another comes again. Returns the rule that it breaks: then the set is to be ended. */
  onRewind(leg: number, to: bigint): ConfluxViolationName | undefined {
    if (!this.resumes) return "rewind-unasked";
    if (++this.idleSwitches > MAX_IDLE_SWITCHES) return "switch-flood";
    const index = this.indexOf(leg);
    if (to >= (this.lasts[index] as number)) return "rewind-forward";
    this.lasts[index] = Number(to);
    this.used[index] = true;
    this.lanes[index] = this.nextLane++;
    return undefined;
  }

  /** A message came that is about a leg alone. Returns the rule that it breaks: then the set is to be ended. */
  onLegEnded(): ConfluxViolationName | undefined {
    if (!this.resumes) return "rewind-unasked";
    return ++this.idleSwitches > MAX_IDLE_SWITCHES ? "switch-flood" : undefined;
  }

  /** `n` cells came on a leg. Returns the number of the first. */
  onCells(leg: number, n: number): number {
    const index = this.indexOf(leg);
    const first = (this.lasts[index] as number) + 1;
    this.lasts[index] = first + n - 1;
    this.used[index] = true;
    this.idleSwitches = 0;
    return first;
  }

  private indexOf(leg: number): number {
    const index = this.legs.indexOf(leg);
    if (index < 0) throw new RangeError(`no leg ${leg}`);
    return index;
  }
}
