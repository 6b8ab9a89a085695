import { NO_LEG } from "../no-leg.ts";
import type { ConfluxParams } from "../params.ts";
import { isReady, type LegView, lowestRtt } from "./leg-view.ts";
import type { ConfluxScheduler, SelectionState } from "./scheduler.ts";

const find = (legs: ReadonlyArray<LegView>, leg: number): LegView | undefined => {
  for (const view of legs) if (view.leg === leg) return view;
  return undefined;
};

/**
 * Which leg a set sends on: a scheduler, and the rules of `tor` around it (conflux_decide_circ_for_send,
 * conflux_decide_next_circ, conflux_can_switch). Choosing changes nothing; `sent` does, so that one may ask as often as one
 * likes how much room there is.
 */
export class LegSelection implements SelectionState {
  current = NO_LEG;
  previous = NO_LEG;
  /** Cells that are to be sent on the current leg before the next switch. */
  cellsUntilSwitch = 0;
  private readonly scheduler: ConfluxScheduler;
  private readonly drainPct: number;

  constructor(scheduler: ConfluxScheduler, params: Pick<ConfluxParams, "drainPct">) {
    this.scheduler = scheduler;
    this.drainPct = params.drainPct;
  }

  /**
   * The leg for the next DATA; `undefined` if it has to wait.
   * @param legs all that may be used, in the order of their linking
   * @param due the leg that `SendSequence.due` says has to be used: it is, if it can send
   */
  forData(legs: ReadonlyArray<LegView>, due: number = NO_LEG): LegView | undefined {
    if (legs.length === 0) return undefined;
    const behind = due === NO_LEG ? undefined : find(legs, due);
    if (behind !== undefined && isReady(behind)) return behind;
    if (this.mayLeave(legs)) return this.scheduler.choose(legs, this);
    const current = find(legs, this.current);
    return current !== undefined && isReady(current) ? current : undefined;
  }

  /**
   * The leg for the next message that is no DATA: windows do not hold it, so that it goes on the current leg if there is none
   * for DATA. `undefined` only if there are no legs. Proposal 329, 2.5.
   */
  forOther(legs: ReadonlyArray<LegView>): LegView | undefined {
    // Without a current leg, as `tor` (conflux_pick_first_leg): the fastest that is measured, or else the first.
    return this.forData(legs) ?? find(legs, this.current) ?? lowestRtt(legs) ?? legs[0];
  }

  /** `n` cells that count, DATA or not, go out on a leg. */
  sent(leg: LegView, n: number): void {
    if (leg.leg !== this.current) {
      // The first leg is no switch.
      this.cellsUntilSwitch = this.current === NO_LEG ? 0 : this.scheduler.cellsUntilSwitch(leg);
      this.previous = this.current;
      this.current = leg.leg;
    }
    this.cellsUntilSwitch = Math.max(0, this.cellsUntilSwitch - n);
  }

  /** A leg has ended. */
  removed(leg: number): void {
    if (this.current === leg) {
      this.current = NO_LEG;
      this.cellsUntilSwitch = 0;
    }
    if (this.previous === leg) this.previous = NO_LEG;
  }

  /**
   * Whether another leg may be chosen: when what was to be sent on this one has been, or the one before has drained. SENDMEs
   * acknowledge whole increments, so less than one in flight counts as nothing.
   */
  private mayLeave(legs: ReadonlyArray<LegView>): boolean {
    if (this.cellsUntilSwitch === 0) return true;
    const previous = find(legs, this.previous);
    if (previous === undefined) return false;
    const { inflight, sendmeInc, cwnd } = previous;
    return inflight < sendmeInc || 100 * inflight <= this.drainPct * cwnd;
  }
}
