import { type Connection, releaseBytes } from "@allium/channel";
import {
  PROXY_CLOSE_MILLIS,
  PROXY_FLUSH_MILLIS,
  PROXY_GATHER_BYTES,
  PROXY_HALF_CLOSED_MILLIS,
  PROXY_PENDING_BYTES,
} from "./limits.ts";

// What an application and its stream do, and what comes of it:
//
// | what | comes of it |
// | --- | --- |
// | either sends bytes | the other gets them, as fast as it takes them |
// | the stream brings one piece after the other | they are gathered for a moment: a write for each cost more than all the rest |
// | the stream ends | the application gets what came before, and the end; what it still sends is thrown away; then both are closed |
// | the stream breaks, or closes without an end | the application gets what came before, and a reset: something may be missing |
// | the application sends no more | the stream stays open for an answer; after PROXY_HALF_CLOSED_MILLIS without a byte it is ended, and the application reset |
// | the application breaks, or closes | the stream is closed |
// | the application does not take the rest | it is reset after PROXY_FLUSH_MILLIS |
// | the port is full, and the application sends no more, or has everything | both are closed for another's sake |

/** How far a bridge is from its end, see {@link Bridge.tick}. */
type Phase = "open" | "halfClosed" | "flushing" | "closing";

const PATIENCE: Readonly<Record<Phase, number>> = {
  open: Number.POSITIVE_INFINITY,
  halfClosed: PROXY_HALF_CLOSED_MILLIS,
  flushing: PROXY_FLUSH_MILLIS,
  closing: PROXY_CLOSE_MILLIS,
};

/** Most buffers that are remembered until they have left. */
const MAX_HANDED = 16;

/** Who keeps the time of bridges. */
export interface BridgeKeeper {
  /** From now on the bridge has something to wait for: `tick` is to be called from time to time. It may be said again. */
  readonly watch: (bridge: Bridge) => void;
  /** In PROXY_GATHER_MILLIS `passOn` is to be called. It is not said again before that. */
  readonly gather: (bridge: Bridge) => void;
  /** It is over; both connections are destroyed. Said once. */
  readonly onEnd: (bridge: Bridge) => void;
}

/**
 * Carries bytes between an application and its stream, both of which it owns. Nothing of it waits in a fiber, and nothing is copied: it
 * has its turn when either connection changes.
 */
export class Bridge {
  /** Bytes that the application has sent, and that it was sent. */
  up = 0;
  down = 0;
  private readonly application: Connection;
  private readonly stream: Connection;
  private readonly keeper: BridgeKeeper;
  /** What the application was sent, and may not have left yet. */
  private readonly handed: Array<Buffer> = [];
  /** How the stream has ended, once all that came by it is handed over. */
  private streamEnd: "clean" | "torn" | undefined = undefined;
  /** The stream was told that nothing more comes. */
  private endedStream = false;
  /** Bytes have just gone to the application: further ones are gathered. */
  private gathering = false;
  private over = false;
  private turning = false;
  private again = false;
  private phase: Phase = "open";
  /** How much has gone through when `tick` looked last, and until when there has to be more. */
  private taken = 0;
  private deadline = Number.POSITIVE_INFINITY;

  constructor(application: Connection, stream: Connection, keeper: BridgeKeeper) {
    this.application = application;
    this.stream = stream;
    this.keeper = keeper;
  }

  /** Begins. @param first bytes of the application that were read already */
  start(first: Buffer): void {
    this.application.onChange(this.turn);
    this.stream.onChange(this.turn);
    if (first.length > 0) {
      this.up += first.length;
      this.stream.write(first);
    }
    this.turn();
  }

  /** What was gathered has waited for long enough. */
  passOn(): void {
    this.gathering = false;
    this.turn();
  }

  /** Ends it now: the application learns that something is missing. */
  abort(): void {
    this.finish(true);
  }

  /** Ends it now if its application has left, or seems to have. Whether it has ended. */
  makeRoom(): boolean {
    const phase = this.findPhase();
    if (phase === "halfClosed" || phase === "closing") this.finish(phase === "halfClosed");
    return this.over;
  }

  /**
   * Ends what takes too long.
   *
   * @param now milliseconds of a clock that does not go back
   */
  tick(now: number): void {
    const phase = this.findPhase();
    const { application, stream } = this;
    const taken = this.up + this.down - application.pending - stream.pending;
    if (phase !== this.phase || (taken !== this.taken && phase !== "closing")) {
      this.phase = phase;
      this.taken = taken;
      this.deadline = now + PATIENCE[phase];
    }
    if (now < this.deadline) return;
    if (phase === "halfClosed" && !this.endedStream) {
      this.endedStream = true;
      stream.end();
      this.turn();
    } else this.finish(phase !== "closing");
  }

  private findPhase(): Phase {
    const { application, stream } = this;
    if (this.streamEnd !== undefined) return application.pending > 0 ? "flushing" : "closing";
    if (this.endedStream || stream.status !== "open") return "flushing";
    return application.status === "ended" && application.readable === 0 ? "halfClosed" : "open";
  }

  /** Something has changed. What changes by what is done here is seen to before it returns. */
  private readonly turn = (): void => {
    this.again = true;
    if (this.turning) return;
    this.turning = true;
    while (this.again && !this.over) {
      this.again = false;
      this.move();
    }
    this.turning = false;
  };

  private move(): void {
    const { application, stream } = this;
    if (this.handed.length > 0 && application.pending === 0 && application.status !== "closed") {
      for (const bytes of this.handed) releaseBytes(bytes);
      this.handed.length = 0;
    }
    if (!this.gathering || stream.readable >= PROXY_GATHER_BYTES || stream.status !== "open") this.moveDown();
    if (this.streamEnd === undefined) {
      while (stream.pending < PROXY_PENDING_BYTES) {
        const bytes = application.read();
        if (bytes === undefined) break;
        this.up += bytes.length;
        if (stream.handOver === undefined) stream.write(bytes);
        else stream.handOver(bytes);
      }
    } else while (application.read() !== undefined);
    if (stream.status !== "open" || application.status !== "open") this.settle();
  }

  /** Hands what the stream has brought to the application. */
  private moveDown(): void {
    const { application, stream } = this;
    const before = this.down;
    while (application.pending < PROXY_PENDING_BYTES) {
      const bytes = stream.read();
      if (bytes === undefined) break;
      this.down += bytes.length;
      application.write(bytes);
      // If the application never has taken all, the oldest are left to the garbage collector.
      if (this.handed.length === MAX_HANDED) this.handed.length = 0;
      this.handed.push(bytes);
    }
    if (this.gathering || this.down === before) return;
    this.gathering = true;
    this.keeper.gather(this);
  }

  /** One of them is not open any more. */
  private settle(): void {
    const { application, stream } = this;
    if (application.status === "closed") return this.finish(false);
    if (this.streamEnd === undefined && stream.status !== "open" && stream.readable === 0) {
      this.streamEnd = stream.status === "ended" && stream.failure === undefined ? "clean" : "torn";
      if (this.streamEnd === "clean") application.end();
      this.again = true;
    }
    if (this.streamEnd === "torn" && application.pending === 0) return this.finish(true);
    if (this.findPhase() !== "open") this.keeper.watch(this);
  }

  private finish(torn: boolean): void {
    if (this.over) return;
    this.over = true;
    if (torn) this.application.reset();
    else this.application.destroy();
    this.stream.destroy();
    this.keeper.onEnd(this);
  }
}
