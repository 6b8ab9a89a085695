import { relayCommandName } from "@allium/cell";
import { CELL_LEN, type CircuitOutbox, TurnList } from "@allium/channel";
import type { LegEnd } from "./leg-end.ts";
import type { LineChange, LinePlan } from "./plan.ts";
import type { Timeline } from "./timeline.ts";
import type { Trace } from "./trace.ts";

/**
 * One way of a leg, in place of all the relays and channels between its ends: takes what one end's circuit has ready, in bursts, at its
 * rate, and puts it into the other's inbox after its delay. What leaves first arrives first, the end of the circuit last.
 */
export class Line {
  readonly turns: TurnList;
  /** Where cells come from, and where they go: set before the first one. */
  from!: CircuitOutbox;
  to!: LegEnd;
  private readonly name: string;
  private readonly timeline: Timeline;
  private readonly trace: Trace;
  private readonly burst: number;
  /** Cells that will still arrive. */
  private left: number;
  private delay: number;
  private rate: number;
  private stalledUntil = 0;
  private leaving = false;
  private lastArrival = 0;
  /** The reason of the DESTROY that is to go behind all that has left. */
  private ending: number | undefined = undefined;
  private isCut = false;

  constructor(name: string, plan: LinePlan, timeline: Timeline, trace: Trace) {
    this.name = name;
    this.timeline = timeline;
    this.trace = trace;
    this.burst = plan.burst;
    this.left = plan.losesFrom ?? Number.POSITIVE_INFINITY;
    this.delay = plan.delay;
    this.rate = plan.rate;
    this.turns = new TurnList({ quantum: plan.burst, onActive: () => this.goOn(0) });
    for (const change of plan.changes) timeline.plan(change.at, () => this.change(change));
  }

  /** The circuit has left at the one end: nothing more of it leaves, and the other end is told. */
  destroy(reason: number): void {
    this.ending = reason;
    this.goOn(0);
  }

  /** Nothing arrives any more, and nothing leaves. */
  cut(): void {
    this.isCut = true;
  }

  private change({ delay, rate, stall }: LineChange): void {
    if (delay !== undefined) this.delay = delay;
    if (rate !== undefined) this.rate = rate;
    if (stall !== undefined) this.stalledUntil = Math.max(this.stalledUntil, this.timeline.now + stall);
  }

  /** A burst leaves in so many milliseconds, if there is one then. */
  private goOn(millis: number): void {
    if (this.leaving || this.isCut) return;
    this.leaving = true;
    this.timeline.after(millis, () => {
      this.leaving = false;
      this.leave();
    });
  }

  private leave(): void {
    if (this.isCut) return;
    const stalled = this.stalledUntil - this.timeline.now;
    if (stalled > 0) return this.goOn(stalled);
    if (this.ending !== undefined) {
      const reason = this.ending;
      this.arrive(() => {
        this.trace.note(this.name, `DESTROY ${reason}`);
        this.to.end({ _tag: "Destroyed", reason });
      });
      this.cutOff();
      return;
    }
    const bytes = Buffer.allocUnsafe(this.burst * CELL_LEN);
    const count = this.from.drain(bytes, 0, this.burst);
    if (count === 0) return;
    this.arrive(() => this.deliver(bytes, count));
    this.goOn(count / this.rate);
  }

  /** Nothing leaves any more, but what has left arrives. */
  private cutOff(): void {
    this.leaving = true;
  }

  private arrive(run: () => void): void {
    this.lastArrival = Math.max(this.lastArrival, this.timeline.now + this.delay);
    this.timeline.plan(this.lastArrival, () => {
      if (!this.isCut) run();
    });
  }

  private deliver(bytes: Buffer, count: number): void {
    this.trace.note(this.name, summaryOf(bytes, count));
    for (let at = 0; at < count * CELL_LEN && this.left > 0; at += CELL_LEN, this.left--) {
      this.to.push(bytes[at + 4] as number, bytes, at + 5);
    }
  }
}

/** The relay commands of a burst: `SWITCH, 15 DATA`. */
const summaryOf = (bytes: Buffer, count: number): string => {
  let text = "";
  for (let index = 0; index < count; ) {
    const command = bytes[index * CELL_LEN + 5];
    const from = index;
    while (index < count && bytes[index * CELL_LEN + 5] === command) index++;
    const name = relayCommandName(command as number)?.replace("CONFLUX_", "") ?? `command ${command}`;
    text += `${from === 0 ? "" : ", "}${index - from === 1 ? "" : `${index - from} `}${name}`;
  }
  return text;
};
