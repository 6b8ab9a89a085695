import { Duration } from "effect";
import type { MemoryConnection } from "./memory-connection.ts";
import type { Timeline } from "./memory-timeline.ts";

/** The line between two hosts, one way. All connections between them share it. */
export interface Line {
  /** Time from the last byte leaving to its arrival. */
  readonly latency: Duration.Input;
  /** Bytes per second; `Infinity` sends at once. */
  readonly bandwidth: number;
}

/** A line, its pipes, and when it is free again. */
export class MemoryLine {
  latencyMillis = 0;
  bandwidth = Number.POSITIVE_INFINITY;
  stalled = false;
  /** When the last byte that has been given to the line will have left. */
  busyUntil = 0;
  /** To be told when a stall ends. */
  readonly waiting = new Set<() => void>();

  constructor(line: Partial<Line>) {
    this.set(line);
  }

  set(line: Partial<Line>): void {
    if (line.latency !== undefined) this.latencyMillis = Duration.toMillis(Duration.fromInputUnsafe(line.latency));
    if (line.bandwidth !== undefined) this.bandwidth = line.bandwidth;
  }

  stall(stalled: boolean): void {
    this.stalled = stalled;
    if (!stalled) for (const goOn of [...this.waiting]) goOn();
  }
}

/**
 * One direction of a connection. Bytes wait in `queue` while the line is busy or stalled or the receiver's bound is reached,
 * leave at the line's rate, fly for its latency, and arrive in their order.
 */
export class Pipe {
  /** The end that writes into this pipe, and the one that reads out of it. */
  source: MemoryConnection | undefined;
  target: MemoryConnection | undefined;
  /** Bytes that have not left. */
  pending = 0;
  private readonly line: MemoryLine;
  private readonly timeline: Timeline;
  private readonly queue: Array<Buffer> = [];
  private flying = 0;
  private leaving = false;
  private lastArrival = 0;
  private state: "open" | "ending" | "ended" | "broken" = "open";

  constructor(line: MemoryLine, timeline: Timeline) {
    this.line = line;
    this.timeline = timeline;
    line.waiting.add(this.pump);
  }

  push(bytes: Buffer): void {
    if (this.state !== "open" || bytes.length === 0) return;
    this.pending += bytes.length;
    // The writer may use its buffer again once nothing is pending, and that is before the bytes arrive.
    const own = Buffer.from(bytes);
    for (let at = 0; at < own.length; at += SEGMENT_BYTES) this.queue.push(own.subarray(at, at + SEGMENT_BYTES));
    this.pump();
  }

  /** No more comes: said to the receiver after all that was written. */
  end(): void {
    if (this.state !== "open") return;
    this.state = "ending";
    this.pump();
  }

  /** Drops what has not left; what has left arrives, and after it the end. */
  abandon(): void {
    this.drop();
    this.end();
  }

  /** Drops what has not left; what has left arrives, and after it a reset. */
  reset(): void {
    if (this.state === "broken") return;
    this.drop();
    this.state = "ended";
    this.line.waiting.delete(this.pump);
    this.planArrival(() => this.target?.closed("ECONNRESET"));
  }

  /** Drops everything: nothing arrives any more. */
  break(): void {
    this.state = "broken";
    this.drop();
    this.line.waiting.delete(this.pump);
  }

  private drop(): void {
    this.queue.length = 0;
    this.pending = 0;
  }

  /** Lets leave what can leave now. Called when bytes were written or read, a segment has left, or a stall is over. */
  readonly pump = (): void => {
    const { line, timeline } = this;
    while (!this.leaving && this.state !== "broken" && !line.stalled) {
      const segment = this.queue[0];
      if (segment === undefined) return this.state === "ending" ? this.sendEnd() : undefined;
      const { target } = this;
      if (target === undefined || target.readable + this.flying >= target.limit) return;
      if (Number.isFinite(line.bandwidth)) {
        this.leaving = true;
        line.busyUntil = Math.max(timeline.now(), line.busyUntil) + (segment.length / line.bandwidth) * 1000;
        timeline.plan(line.busyUntil, () => {
          this.leaving = false;
          this.leave();
          this.pump();
        });
      } else {
        this.leave();
      }
    }
  };

  private leave(): void {
    const segment = this.queue.shift();
    // Dropped on its way out.
    if (segment === undefined) return;
    this.pending -= segment.length;
    this.flying += segment.length;
    this.planArrival(() => {
      this.flying -= segment.length;
      this.target?.arrived(segment);
    });
    this.timeline.plan(this.timeline.now(), () => this.source?.changed());
  }

  private sendEnd(): void {
    this.state = "ended";
    this.line.waiting.delete(this.pump);
    this.planArrival(() => this.target?.ended());
  }

  /** Nothing arrives before what left earlier, whatever the latency was meanwhile set to. */
  private planArrival(arrive: () => void): void {
    this.lastArrival = Math.max(this.lastArrival, this.timeline.now() + this.line.latencyMillis);
    this.timeline.plan(this.lastArrival, () => {
      if (this.state !== "broken") arrive();
    });
  }

  /** Tells the writing end, as fast as the line back allows, that nobody is there to read. */
  bounce(back: Pipe): void {
    const { timeline } = this;
    timeline.plan(timeline.now() + back.line.latencyMillis, () => this.source?.closed("ECONNRESET"));
  }
}

/** Bytes that leave and arrive as one: a full TLS record. */
const SEGMENT_BYTES = 16 * 1024;
