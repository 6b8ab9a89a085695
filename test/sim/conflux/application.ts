import type { Connection } from "@allium/channel";
import type { End, SpeakerPlan } from "./plan.ts";
import { bytesOfStream } from "./stream-bytes.ts";
import type { World } from "./world.ts";

/** An application at one end of a stream: says what it has to, and compares all that it reads with what the other says. */
export class Speaker {
  readonly stream: number;
  readonly end: End;
  readonly plan: SpeakerPlan;
  written = 0;
  read = 0;
  /** It has ended in order, with all that it had to say. */
  saidAll = false;
  /** It has ended, in whatever way, before it had read the other's end. */
  leftEarly = false;
  /** It has read the other's end, and what it was. */
  heard: "end" | "failure" | undefined = undefined;
  isDone = false;
  private readonly world: World;
  private readonly connection: Connection;
  private readonly pauses: Array<SpeakerPlan["pauses"][number]>;
  private readonly own: Buffer;
  private readonly others: Buffer;
  private paused = false;
  private planned = false;
  private finished = false;

  constructor(world: World, stream: number, end: End, plan: SpeakerPlan, connection: Connection) {
    this.world = world;
    this.stream = stream;
    this.end = end;
    this.plan = plan;
    this.connection = connection;
    this.pauses = [...plan.pauses].sort((one, other) => one.atByte - other.atByte);
    this.own = bytesOfStream(stream, end === "initiator");
    this.others = bytesOfStream(stream, end === "responder");
    connection.onChange(() => this.wake());
    this.wake();
  }

  get name(): string {
    return `${this.end} of stream ${this.stream}`;
  }

  /** What there is to do is done when whoever has changed something has returned. */
  private wake(): void {
    if (this.planned || this.isDone) return;
    this.planned = true;
    this.world.timeline.after(0, () => {
      this.planned = false;
      this.step();
    });
  }

  private step(): void {
    if (this.isDone) return;
    this.hear();
    this.say();
    const { status, readable } = this.connection;
    if (status !== "closed" || readable > 0 || this.paused) return;
    this.isDone = true;
    this.world.trace.note(
      this.name,
      `is done: read ${this.read}, wrote ${this.written}, ${this.heard ?? "no end heard"}`,
    );
    this.connection.destroy();
  }

  private hear(): void {
    const { connection } = this;
    while (!this.paused) {
      const [pause] = this.pauses;
      if (pause !== undefined && this.read >= pause.atByte) {
        this.pauses.shift();
        this.pause(pause.millis);
        return;
      }
      const bytes = connection.read();
      if (bytes === undefined) break;
      if (!bytes.equals(this.others.subarray(this.read, this.read + bytes.length))) {
        this.world.complain(`${this.name} read something else than was written, from byte ${this.read} on`);
      }
      this.read += bytes.length;
      this.world.trace.note(this.name, `reads ${bytes.length}`);
    }
    if (this.paused || connection.status === "open" || this.heard !== undefined) return;
    this.heard = connection.failure === undefined ? "end" : "failure";
    this.world.trace.note(this.name, `hears ${connection.failure?.code ?? "the end"}`);
    if (!this.finished) this.finish();
  }

  private pause(millis: number): void {
    this.paused = true;
    this.world.timeline.after(millis, () => {
      this.paused = false;
      this.wake();
    });
  }

  private say(): void {
    const { connection, plan } = this;
    if (this.finished) return;
    const breaks = plan.finish === "destroy" || plan.finish === "reset";
    const goal = breaks ? Math.floor(plan.bytes / 2) : plan.bytes;
    while (this.written < goal && connection.pending < PENDING_BYTES && connection.status === "open") {
      const until = Math.min(goal, this.written + plan.chunk);
      connection.write(this.own.subarray(this.written, until));
      this.written = until;
    }
    if (this.written < goal) return;
    if (breaks) this.break(plan.finish);
    else if (plan.finish === "end") this.finish();
  }

  private finish(): void {
    this.finished = true;
    this.saidAll = this.written === this.plan.bytes;
    this.leftEarly = this.heard === undefined;
    this.world.trace.note(this.name, `ends, having written ${this.written}`);
    this.connection.end();
  }

  private break(how: SpeakerPlan["finish"]): void {
    this.finished = true;
    this.leftEarly = true;
    this.isDone = true;
    this.world.trace.note(this.name, `breaks: ${how}`);
    if (how === "destroy") this.connection.destroy();
    else this.connection.reset();
  }
}

/** Bytes that an application has on their way before it waits. */
const PENDING_BYTES = 32_768;
