import type { LegView } from "./leg-view.ts";

/** What has been chosen so far. Read-only to schedulers. */
export interface SelectionState {
  /** The leg of the last cell; `NO_LEG` before the first, and after the leg has ended. */
  readonly current: number;
  /** The leg before that; `NO_LEG` if there was none, or it has ended. */
  readonly previous: number;
}

/**
 * Decides which leg the next DATA goes on. What the other end wants of it is its UX; the choice is the sender's (proposal 329,
 * 2.2). It is asked before each train, so it allocates nothing.
 */
export interface ConfluxScheduler {
  /** For logs and metrics. */
  readonly name: string;
  /**
   * The leg for the next DATA, or `undefined` to wait until one changes.
   * @param legs all that may be used, one at least, in the order of their linking
   */
  choose(legs: ReadonlyArray<LegView>, state: SelectionState): LegView | undefined;
  /**
   * Cells to send on a leg that was just switched to, before another switch; 0 for no limit. The leg before may be gone back to
   * sooner if it drains, see `LegSelection`. `tor`: cells_until_switch, which it leaves at 0.
   */
  cellsUntilSwitch(leg: LegView): number;
}
