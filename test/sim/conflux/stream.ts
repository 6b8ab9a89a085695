import type { Begin, BeginDir } from "@allium/cell";
import type { Connection } from "@allium/channel";
import { Effect } from "effect";
import { Speaker } from "./application.ts";
import type { InitiatorCircuit } from "./initiator-circuit.ts";
import { ENDS, type End, otherEnd, type StreamPlan } from "./plan.ts";
import type { World } from "./world.ts";

/** A stream of the set, from its request on. */
export class SimulatedStream {
  readonly number: number;
  readonly plan: StreamPlan;
  readonly speakers: Partial<Record<End, Speaker>> = {};
  private readonly world: World;
  /** What became of the request. */
  private asked: "not yet" | "waiting" | "open" | "failed" | "given up" = "not yet";

  constructor(world: World, number: number, plan: StreamPlan) {
    this.world = world;
    this.number = number;
    this.plan = plan;
  }

  get name(): string {
    return `stream ${this.number}`;
  }

  /** Nothing more comes of it. */
  get isDone(): boolean {
    if (this.asked === "not yet" || this.asked === "waiting") return false;
    return ENDS.every((end) => this.speakers[end]?.isDone ?? true);
  }

  /** It is asked for on this circuit. */
  ask(circuit: InitiatorCircuit): Effect.Effect<void> {
    this.asked = "waiting";
    this.world.trace.note(this.name, `is asked for on ${circuit.name}`);
    const { patience } = this.plan;
    const opening = circuit.open(this.request, 0);
    return (patience === undefined ? opening : Effect.timeout(opening, patience)).pipe(
      Effect.match({
        onSuccess: ({ connection }) => {
          this.asked = "open";
          this.onOpened("initiator", connection);
        },
        onFailure: (error) => {
          this.asked = error._tag === "TimeoutError" ? "given up" : "failed";
          this.world.trace.note(this.name, `is not open: ${error._tag} ${error.message}`);
        },
      }),
    );
  }

  /** The set is over, and it was never asked for. */
  abandon(): void {
    if (this.asked === "not yet") this.asked = "failed";
  }

  onOpened(end: End, connection: Connection): void {
    this.world.trace.note(this.name, `opens at the ${end}`);
    this.speakers[end] = new Speaker(this.world, this.number, end, this.plan.speakers[end], connection);
  }

  /** What is not as it should be, now that all is over. @param lived whether the set lived until its streams were done */
  complaints(lived: boolean): ReadonlyArray<string> {
    const found: Array<string> = [];
    const { refuses } = this.plan.opening;
    if (lived && this.asked === "failed" && !refuses) found.push(`${this.name} was not opened`);
    for (const end of ENDS) {
      const reader = this.speakers[end];
      const writer = this.speakers[otherEnd(end)];
      if (reader === undefined || writer === undefined) continue;
      if (reader.read > writer.written) found.push(`${reader.name} read more than was written`);
      const complete = reader.read === writer.written;
      if (lived && writer.saidAll && !reader.leftEarly && !complete) {
        found.push(`${reader.name} read ${reader.read} of ${writer.written} bytes of a stream that ended in order`);
      }
      // An exit cannot tell the set's end from the stream's, as with a circuit; a client can.
      if (end === "initiator" && reader.heard === "end" && writer.saidAll && !reader.leftEarly && !complete) {
        found.push(`${reader.name} took ${reader.read} of ${writer.written} bytes for all`);
      }
    }
    return found;
  }

  private get request(): Begin | BeginDir {
    if (this.plan.kind === "directory") return { _tag: "BEGIN_DIR" };
    return { _tag: "BEGIN", destination: { family: "name", address: `s${this.number}` }, port: 80, flags: 0 };
  }
}
