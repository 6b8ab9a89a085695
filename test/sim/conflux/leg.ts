import type { CircuitSignals, CreateRequest } from "@allium/channel";
import type { AttachedCircuit } from "../../../packages/channel/src/attached-circuit.ts";
import { AskedSeat } from "../../../packages/circuit/src/circuit-seat.ts";
import { AskedCircuit } from "../../../packages/circuit/src/relay/asked-circuit.ts";
import type { InitiatorCircuit } from "./initiator-circuit.ts";
import { CHANNEL, LegEnd } from "./leg-end.ts";
import { Line } from "./line.ts";
import { type DeathPlan, ENDS, type End, type LegPlan } from "./plan.ts";
import type { ResponderCircuit } from "./responder-circuit.ts";
import type { World } from "./world.ts";

/** A leg: the real circuits of both its ends, and a line each way in place of all that is between them. */
export class SimulatedLeg {
  readonly number: number;
  readonly plan: LegPlan;
  readonly initiator: InitiatorCircuit;
  readonly responder: ResponderCircuit;
  private readonly world: World;
  /** By the end that sends. */
  private readonly lines: Readonly<Record<End, Line>>;
  private readonly ends: Record<End, LegEnd>;

  constructor(world: World, number: number, plan: LegPlan) {
    const { timeline, trace } = world;
    this.world = world;
    this.number = number;
    this.plan = plan;
    const lines = {
      initiator: new Line(`leg ${number} →`, plan.lines.initiator, timeline, trace),
      responder: new Line(`leg ${number} ←`, plan.lines.responder, timeline, trace),
    };
    const ends: Partial<Record<End, LegEnd>> = {};
    const attach =
      (end: End) =>
      (signals: CircuitSignals): AttachedCircuit => {
        const made = new LegEnd(world, lines[end], number, plan.outboxCells, end === "initiator", signals);
        ends[end] = made;
        return made.circuit;
      };
    const seat = new InitiatorSeat(world, attach("initiator"));
    const request = { channel: CHANNEL, circId: number + 1, accept: attach("responder") } as unknown as CreateRequest;
    const asked = new AskedCircuit(request, world.responder.quota, () => {});
    this.lines = lines;
    this.ends = ends as Record<End, LegEnd>;
    lines.initiator.to = this.ends.responder;
    lines.responder.to = this.ends.initiator;
    this.initiator = world.initiator.open(seat, number);
    seat.owner = this.initiator;
    this.responder = world.responder.open(asked, number);
    if (plan.death !== undefined) this.dieAs(plan.death);
  }

  /** Whether it is over at both ends. */
  get isOver(): boolean {
    return ENDS.every((end) => this[end].group.cause !== undefined);
  }

  private dieAs(death: DeathPlan): void {
    const { timeline, trace } = this.world;
    timeline.plan(death.at, () => {
      trace.note(`leg ${this.number}`, death.how === "cut" ? "is cut" : `${death.how} by the ${death.by}`);
      switch (death.how) {
        case "stop":
          return this[death.by].stop("finished");
        case "reclaim":
          return this[death.by].reclaim();
        case "cut":
          for (const end of ENDS) {
            this.lines[end].cut();
            timeline.after(death.told[end], () => this.ends[end].end({ _tag: "ChannelClosed" }));
          }
      }
    });
  }
}

/** The initiator's end of a leg: open from the beginning. */
export class InitiatorSeat extends AskedSeat {
  readonly near: AttachedCircuit;

  constructor(world: World, attach: (signals: CircuitSignals) => AttachedCircuit) {
    super(world.initiator.quota);
    this.near = attach(this);
  }

  protected onEndUnanswered(): void {}
  protected reclaimUnanswered(): void {}
}
