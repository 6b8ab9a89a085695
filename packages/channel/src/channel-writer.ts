import { type MemoryAccount, Signal, type Turn } from "@allium/kernel";
import type { Clock } from "effect";
import { CellQueue } from "./cell-queue.ts";
import type { ChannelActivity } from "./channel-activity.ts";
import { CELL_LEN, TurnList } from "./outbox.ts";
import type { Connection } from "./transport.ts";
import { releaseWriteBuffer, takeWriteBuffer, WRITE_BUFFER_BYTES } from "./write-buffers.ts";

// What a channel writes, in this order:
//
// | what | bound | when it is full |
// | --- | --- | --- |
// | answers to the peer's CREATEs | MAX_ANSWERS cells | its further CREATEs are dropped |
// | DESTROY, our CREATEs, padding | a few cells for each circuit | |
// | trains of circuits, in turn | each circuit's outbox | its writer waits |

/** What a channel's writer works with. */
export interface ChannelWriterOptions {
  readonly connection: Connection;
  readonly activity: ChannelActivity;
  readonly clock: Clock.Clock;
  /** Cells that one circuit may send before the next one's turn. */
  readonly quantumCells: number;
  /** Charged with the buffer that is being written, and with the cells that wait before all trains. */
  readonly memory: MemoryAccount;
}

/**
 * The writing half of a channel: it gathers what all circuits have ready into one buffer and gives that to the connection,
 * once the connection has got rid of the one before.
 */
export class ChannelWriter {
  /** Whose turn it is to send. */
  readonly turns: TurnList;
  private readonly options: ChannelWriterOptions;
  /** Begins a turn. */
  readonly writable = Signal.make();
  private readonly answers = new CellQueue();
  private readonly controls = new CellQueue();
  private held: Buffer | undefined;
  /** The place in line of what was written last. */
  private heldSince = 0;

  constructor(options: ChannelWriterOptions) {
    this.options = options;
    this.turns = new TurnList({ quantum: options.quantumCells, onActive: this.wake });
  }

  /** Whether cells wait to be given to the connection. */
  get waiting(): boolean {
    return this.turns.active || this.controls.length > 0 || this.answers.length > 0;
  }

  /** Whether so many answers wait that the peer must not ask for more. */
  get answersFull(): boolean {
    return this.answers.length >= MAX_ANSWERS;
  }

  /** Queues a whole cell before all circuits' trains. */
  send(cell: Buffer, answer: boolean): void {
    (answer ? this.answers : this.controls).push(cell);
    this.options.memory.adjust(cell.length);
    this.writable.notify();
  }

  /** To be called when the connection has changed. */
  readonly wake = (): void => this.writable.notify();

  /** A turn of the writer: gives the connection what waits, if it has got rid of what it was given before. */
  readonly turn: Turn = () => {
    const { connection } = this.options;
    while (connection.pending === 0) {
      if (this.waiting) {
        this.write(this.hold());
        continue;
      }
      if (this.held !== undefined) {
        releaseWriteBuffer(this.held);
        this.drop();
      }
      break;
    }
    return undefined;
  };

  /**
   * A farewell: gives the connection the cells that wait before all trains, if it takes bytes at once. For the end of a
   * channel, so that DESTROY cells go out; who does not read is not waited for.
   */
  flush(): void {
    const { connection } = this.options;
    if (connection.pending > 0 || this.answers.length + this.controls.length === 0) return;
    const out = Buffer.allocUnsafe((this.answers.length + this.controls.length) * CELL_LEN);
    connection.write(out.subarray(0, this.controls.drain(out, this.answers.drain(out, 0))));
  }

  /** Fills the buffer and gives it to the connection. */
  private write(held: Buffer): void {
    const { connection, activity, clock } = this.options;
    const before = this.controls.drain(held, this.answers.drain(held, 0));
    this.heldSince = this.options.memory.adjust(-before);
    const end = this.turns.compose(held, before);
    // Circuits that were destroyed have their turn too, and nothing to send.
    if (end === 0) return;
    activity.counters.cellsOut += end / CELL_LEN;
    activity.counters.bytesOut += end;
    activity.lastSent = clock.currentTimeMillisUnsafe();
    activity.lastTransfer = activity.lastSent;
    connection.write(held.subarray(0, end));
  }

  /** The channel is over. */
  letGo(): void {
    // A buffer that the connection may still be reading from is left to the garbage collector.
    if (this.held !== undefined && this.options.connection.pending === 0) releaseWriteBuffer(this.held);
    this.drop();
  }

  /** The place in line of the oldest bytes that were written and have not left; `undefined` if all have. */
  oldest(): number | undefined {
    return this.options.connection.pending > 0 ? this.heldSince : undefined;
  }

  private hold(): Buffer {
    if (this.held === undefined) {
      this.held = takeWriteBuffer();
      this.options.memory.adjust(WRITE_BUFFER_BYTES);
    }
    return this.held;
  }

  private drop(): void {
    if (this.held !== undefined) this.options.memory.adjust(-WRITE_BUFFER_BYTES);
    this.held = undefined;
  }
}

/** Answers to CREATE that may wait. A peer that reads has a handful at most. */
const MAX_ANSWERS = 1024;
