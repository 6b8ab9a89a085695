/**
 * When to give up on a circuit that is being built, learned from those that were (path-spec 2.4). Pure: times come in as
 * durations in milliseconds, and nothing here has a clock.
 *
 * | what happens                                       | build times                  | newest outcomes            | timeouts              |
 * | -------------------------------------------------- | ---------------------------- | -------------------------- | --------------------- |
 * | third hop done in time                             | one more                     | one success                | estimated anew        |
 * | third hop done behind the timeout                  | one more                     |                            | estimated anew        |
 * | third hop done far behind the close timeout        | (the clock or host stood)    |                            |                       |
 * | timeout, first hop done                            |                              | one timeout                |                       |
 * | timeout, first hop not done, or nothing was heard  |                              |                            |                       |
 * | close timeout                                      |                              |                            |                       |
 * | `cbtmaxtimeouts` of `cbtrecentcount` timed out     | all forgotten                | all forgotten              | initial, or doubled   |
 * | `cbtdisabled`                                      | all forgotten                | all forgotten              | initial               |
 */
import type { Random } from "../paths/random.ts";
import { BuildTimeHistory, historyLength } from "./history.ts";
import { RecentOutcomes } from "./outcomes.ts";
import { type BuildTimeParams, buildTimeParams, int32Max, type ParamSource } from "./params.ts";
import { estimateXm, fitPareto, paretoQuantile } from "./pareto.ts";
import { type CircuitAction, measuredHops, timeoutScale } from "./scale.ts";
import type { BuildTimeState } from "./state.ts";

/** How long to wait, in milliseconds since a circuit was begun. */
export interface BuildTimeouts {
  /** Then it is too slow to be used. It goes on, to be measured. */
  readonly timeoutMs: number;
  /** Then it is closed. */
  readonly closeMs: number;
}

/** What {@link BuildTimes.testCircuitDue} must know. */
export interface TestCircuitMoment {
  /** How long ago the newest circuit was begun, in milliseconds; Infinity if there was none. */
  readonly sinceLastMs: number;
  /** How many circuits are open, those being built among them. */
  readonly openCircuits: number;
}

/** How much longer than twice the close timeout a circuit may take for its time to be believed, in milliseconds. */
const clockJumpMs = 1000;
/** Timeouts longer than this are not doubled any more, in milliseconds. */
const maxDoubledMs = int32Max / 2;

/** The build times of one client's circuits, and the timeouts that follow from them (path-spec 2.4). */
export class BuildTimes {
  readonly #history = new BuildTimeHistory();
  readonly #outcomes: RecentOutcomes;
  #params: BuildTimeParams;
  /** What holds if there is no estimate. */
  #fallback: BuildTimeouts;
  /** What was estimated since the last change; undefined, if it has to be done again. */
  #current: BuildTimeouts | undefined;
  #abandoned = 0;

  /** @param param the consensus's parameters, or nothing while there is none */
  constructor(param: ParamSource = () => undefined) {
    this.#params = buildTimeParams(param);
    this.#outcomes = new RecentOutcomes(this.#params.recentCount);
    this.#fallback = initial(this.#params);
  }

  /**
   * Begins with what was learned before a restart. Its times are put in a random order, so that they make room for newer ones
   * evenly (path-spec 2.4.2).
   */
  static fromState(state: BuildTimeState, param: ParamSource, random: Random): BuildTimes {
    const buildTimes = new BuildTimes(param);
    if (buildTimes.#params.disabled) return buildTimes;
    const times = state.bins.flatMap(([midpoint, count]) => new Array<number>(count).fill(midpoint));
    for (let left = times.length; left > 0; left--) {
      const drawn = Math.floor(random.uniform() * left);
      buildTimes.#history.add(times[drawn] as number);
      times[drawn] = times[left - 1] as number;
    }
    return buildTimes;
  }

  /** What to keep over a restart. */
  toState(): BuildTimeState {
    return { version: 1, bins: this.#history.histogram() };
  }

  /** Takes a new consensus's parameters. */
  setParams(param: ParamSource): void {
    const before = this.#params;
    this.#params = buildTimeParams(param);
    this.#outcomes.resize(this.#params.recentCount);
    const { disabled, initialTimeoutMs } = this.#params;
    const { timeoutMs } = this.#fallback;
    if (disabled || timeoutMs === before.initialTimeoutMs || timeoutMs < initialTimeoutMs)
      this.#fallback = initial(this.#params);
    if (disabled) this.#forget();
    this.#current = undefined;
  }

  /** The parameters that hold. */
  get params(): BuildTimeParams {
    return this.#params;
  }

  /** How many build times there are. */
  get count(): number {
    return this.#history.count;
  }

  /**
   * How many circuits were closed because they were too slow even to be measured. They are in no estimate (path-spec 2.4.4).
   */
  get abandoned(): number {
    return this.#abandoned;
  }

  /** How many of the newest circuits timed out behind their first hop. */
  get recentTimeouts(): number {
    return this.#outcomes.timeouts;
  }

  /**
   * Whether more build times are wanted for an estimate. Never, if more are wanted than are ever kept (path-spec 2.4.6,
   * `cbtmincircs`).
   */
  get learning(): boolean {
    const { disabled, minCircuits } = this.#params;
    return !disabled && minCircuits <= historyLength && this.#history.count < minCircuits;
  }

  /** Whether to build a circuit only to measure how long that takes (path-spec 2.4.2). */
  testCircuitDue({ sinceLastMs, openCircuits }: TestCircuitMoment): boolean {
    return this.learning && openCircuits < this.#params.maxOpenCircuits && sinceLastMs >= this.#params.testEveryMs;
  }

  /**
   * A circuit has its third hop, be it the last or not. Circuits that are shorter are not told of, and no later hop (path-spec
   * 2.4.2).
   *
   * @param elapsedMs since the circuit was begun
   * @param timedOut whether {@link circuitTimedOut} was told of it before: then it is measured, and is no success
   */
  thirdHopDone(elapsedMs: number, timedOut = false): void {
    if (this.#params.disabled) return;
    if (!this.#isBelievable(elapsedMs)) return;
    this.#history.add(elapsedMs);
    this.#current = undefined;
    if (!timedOut) this.#outcomes.add(false);
  }

  /**
   * A circuit was not done at its timeout. To be told once for each circuit (path-spec 2.4.5).
   *
   * @param hopsDone how many hops it had by then
   * @param heard whether anything at all came from the network since it was begun: silence is no sign of slowness
   * @returns whether the network has changed: all that was learned is forgotten
   */
  circuitTimedOut(hopsDone: number, heard = true): boolean {
    if (this.#params.disabled || hopsDone < 1 || !heard) return false;
    this.#outcomes.add(true);
    if (this.#outcomes.timeouts < this.#params.maxTimeouts) return false;
    const before = this.#base();
    this.#forget();
    const start = initial(this.#params);
    if (before.timeoutMs < start.timeoutMs) this.#fallback = start;
    else if (before.timeoutMs > maxDoubledMs || before.closeMs > maxDoubledMs) this.#fallback = before;
    else this.#fallback = { timeoutMs: before.timeoutMs * 2, closeMs: before.closeMs * 2 };
    return true;
  }

  /**
   * A circuit was closed at its close timeout. That is no build time: some relay of it will have been down (path-spec 2.4.4).
   */
  circuitAbandoned(): void {
    this.#abandoned++;
  }

  /**
   * How long to wait for a circuit, or for what is done over one: for a circuit of three hops, if nothing else is said
   * (path-spec 2.4.3).
   */
  timeouts(action: CircuitAction = { hops: measuredHops }): BuildTimeouts {
    const { timeoutMs, closeMs } = this.#base();
    const scale = timeoutScale(action);
    return { timeoutMs: timeoutMs * scale, closeMs: closeMs * scale };
  }

  /** Whether the timeouts are an estimate, and not what holds before there is one. */
  get estimated(): boolean {
    return this.#base() !== this.#fallback;
  }

  /** A host that slept, or a clock that was set, says nothing of the network. */
  #isBelievable(elapsedMs: number): boolean {
    if (!(elapsedMs >= 0 && elapsedMs <= int32Max)) return false;
    // The close timeout is never below the initial one: mostly there is no need to estimate it.
    const { initialTimeoutMs } = this.#params;
    return elapsedMs <= 2 * initialTimeoutMs + clockJumpMs || elapsedMs <= 2 * this.#base().closeMs + clockJumpMs;
  }

  #base(): BuildTimeouts {
    this.#current ??= this.#estimate() ?? this.#fallback;
    return this.#current;
  }

  /** path-spec 2.4.3, at its end. */
  #estimate(): BuildTimeouts | undefined {
    const { disabled, minCircuits, modes, quantile, closeQuantile, initialTimeoutMs, minTimeoutMs } = this.#params;
    if (disabled || this.#history.count < minCircuits) return undefined;
    const xm = estimateXm(this.#history.bins(), modes);
    if (xm === undefined) return undefined;
    const pareto = fitPareto(this.#history.times(), xm);
    const { longest } = this.#history;
    return {
      timeoutMs: Math.max(Math.min(paretoQuantile(pareto, quantile), longest), minTimeoutMs),
      closeMs: Math.max(Math.min(paretoQuantile(pareto, closeQuantile), 2 * longest), initialTimeoutMs),
    };
  }

  #forget(): void {
    this.#history.clear();
    this.#outcomes.clear();
    this.#current = undefined;
  }
}

const initial = ({ initialTimeoutMs }: BuildTimeParams): BuildTimeouts => ({
  timeoutMs: initialTimeoutMs,
  closeMs: initialTimeoutMs,
});
