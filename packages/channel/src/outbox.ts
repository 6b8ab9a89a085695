import { CELL_BODY_LEN, writeCellHeader } from "@allium/cell";
import { type LinkCounters, type LinkEnd, type MemoryAccount, QueueAge, Signal } from "@allium/kernel";
import { Effect } from "effect";
import { releaseBytes } from "./slab-pool.ts";
import { slabBytes, type Train } from "./train.ts";

/** Bytes of a fixed cell with a four-byte circuit ID (link protocol 4 and later). */
export const CELL_LEN = 4 + 1 + CELL_BODY_LEN;

/**
 * What one circuit has ready for its channel's writer. The circuit's reactor fills it and suspends on `room` when it is
 * full (policy: the writer of the circuit waits, nobody else); the channel reactor empties it in turn with the others.
 */
export class CircuitOutbox implements LinkEnd {
  readonly circId: number;
  /** Cells that wait. */
  cells = 0;
  /** Wakes the reactor that waits for room. Made when somebody first waits. */
  private room: Signal | undefined = undefined;
  /** No more cells are accepted: the channel closed, or DESTROY was queued. */
  closed = false;
  /** An empty array is shared, and a filled one let go: most outboxes are empty most of the time. */
  private trains: Array<Train> = NO_TRAINS;
  private head = 0;
  private offset = 0;
  private readonly turns: TurnList;
  private readonly limitCells: number;
  private readonly nanos: () => bigint;
  private readonly memory: MemoryAccount | undefined;
  /** Cells that have ever been pushed. */
  private pushed = 0;
  /** Made with the first train. */
  private age: QueueAge | undefined = undefined;
  private items = 0;
  private blocks = 0;
  private blockedNanos = 0;
  private blockedSince: bigint | undefined = undefined;
  /** Which list of the turn list it is on. */
  queued: "idle" | "fresh" | "steady" = "idle";
  /** Cells it may still send in this turn. */
  credit = 0;

  /**
   * @param options.nanos nanoseconds of a monotonic clock
   * @param options.memory charged with what waits
   */
  constructor(options: {
    readonly circId: number;
    readonly turns: TurnList;
    readonly limitCells: number;
    readonly nanos: () => bigint;
    readonly memory?: MemoryAccount | undefined;
  }) {
    this.circId = options.circId;
    this.turns = options.turns;
    this.limitCells = options.limitCells;
    this.nanos = options.nanos;
    this.memory = options.memory;
  }

  /** Whether a train would be accepted without passing the bound. */
  get hasRoom(): boolean {
    return this.cells < this.limitCells;
  }

  /** Queues a train. The caller asks `hasRoom` first; one train more than the bound is taken. False once closed. */
  push(train: Train): boolean {
    if (this.closed) return false;
    if (this.trains === NO_TRAINS) this.trains = [train];
    else this.trains.push(train);
    this.items++;
    this.cells += train.count;
    this.pushed += train.count;
    if (this.memory !== undefined) {
      this.age ??= new QueueAge();
      this.age.note(this.pushed - this.cells, this.pushed, this.memory.adjust(slabBytes(train.count)));
    }
    this.turns.activate(this);
    return true;
  }

  /** Waits until there may be room, or the outbox has closed. One reactor at a time. */
  waitForRoom(): Effect.Effect<void> {
    return Effect.suspend(() => {
      // There is room since the last look: no waiting.
      if (this.closed || this.hasRoom) return Effect.void;
      this.room ??= Signal.make();
      this.blocks++;
      this.blockedSince = this.nanos();
      return Effect.ensuring(
        this.room.wait,
        Effect.sync(() => {
          this.blockedNanos += Number(this.nanos() - (this.blockedSince ?? 0n));
          this.blockedSince = undefined;
        }),
      );
    });
  }

  /** Takes no more, drops what waits, and wakes who waits for room: there will be none. */
  close(): void {
    this.closed = true;
    this.clear();
    this.room?.notify();
  }

  /** For the topology, where it is the link from the circuit to the channel's writer. */
  get name(): string {
    return `outbox ${this.circId.toString(16)}`;
  }

  get link(): object {
    return this;
  }

  /** Items are trains; the writer of the circuit is who waits. */
  counters(): LinkCounters {
    const waiting = this.blockedSince === undefined ? 0 : Number(this.nanos() - this.blockedSince);
    return {
      items: this.items,
      writerBlocks: this.blocks,
      writerBlockedNanos: this.blockedNanos + waiting,
      readerBlocks: 0,
      readerBlockedNanos: 0,
    };
  }

  /** Drops all that waits (the circuit is being destroyed: what waits would never be read). */
  clear(): void {
    this.trains = NO_TRAINS;
    this.head = 0;
    this.offset = 0;
    this.memory?.adjust(-slabBytes(this.cells));
    this.cells = 0;
  }

  /** The place in line of the oldest cell that waits; `undefined` if none does. */
  oldest(): number | undefined {
    return this.age?.oldest(this.pushed - this.cells);
  }

  /** Writes up to `most` cells to `out` at `at`; returns how many. */
  drain(out: Buffer, at: number, most: number): number {
    let written = 0;
    while (written < most) {
      const train = this.trains[this.head];
      if (train === undefined) break;
      const upTo = Math.min(train.count, this.offset + most - written);
      for (let index = this.offset; index < upTo; index++) {
        const start = at + written * CELL_LEN;
        writeCellHeader(out, start, this.circId, train.command);
        train.slab.copy(out, start + 5, index * CELL_BODY_LEN, (index + 1) * CELL_BODY_LEN);
        written++;
      }
      if (upTo < train.count) {
        this.offset = upTo;
        break;
      }
      this.offset = 0;
      this.head++;
      releaseBytes(train.slab);
    }
    if (this.head === this.trains.length) {
      this.trains = NO_TRAINS;
      this.head = 0;
    } else if (this.head >= COMPACT_AT) {
      this.trains.splice(0, this.head);
      this.head = 0;
    }
    const wasFull = this.cells >= this.limitCells;
    this.cells -= written;
    this.memory?.adjust(-slabBytes(written));
    if (wasFull && this.cells < this.limitCells) this.room?.notify();
    return written;
  }
}

/**
 * Whose turn it is on a channel. Circuits that just became active go before those that have been sending for longer
 * than one quantum, as in fq_codel (RFC 8290, section 4): an interactive circuit's single cell does not wait behind the
 * bulk of its neighbours, and no circuit starves. Pure: no fibers, no time.
 */
export class TurnList {
  private fresh: Array<CircuitOutbox> = [];
  private steady: Array<CircuitOutbox> = [];
  private readonly quantum: number;
  private readonly onActive: () => void;

  constructor(options: { readonly quantum: number; readonly onActive: () => void }) {
    this.quantum = options.quantum;
    this.onActive = options.onActive;
  }

  /** Whether some circuit has cells to send. */
  get active(): boolean {
    return this.fresh.length > 0 || this.steady.length > 0;
  }

  /** Called by an outbox that got its first cells. */
  activate(outbox: CircuitOutbox): void {
    if (outbox.queued === "idle") {
      outbox.queued = "fresh";
      outbox.credit = this.quantum;
      this.fresh.push(outbox);
    }
    this.onActive();
  }

  /** Fills `out` from `at` with cells of all active circuits in turn, to at most `out.length`; returns the new end. */
  compose(out: Buffer, at: number): number {
    let end = at;
    while (out.length - end >= CELL_LEN) {
      const list = this.fresh.length > 0 ? this.fresh : this.steady;
      const outbox = list[0];
      if (outbox === undefined) break;
      const most = Math.min(outbox.credit, Math.floor((out.length - end) / CELL_LEN));
      const written = outbox.drain(out, end, most);
      end += written * CELL_LEN;
      outbox.credit -= written;
      if (outbox.cells > 0 && outbox.credit > 0) break; // `out` is full
      list.shift();
      if (outbox.cells > 0 || outbox.queued === "fresh") {
        // A fresh circuit that ran dry passes once through the steady list, so that it cannot stay fresh by trickling.
        outbox.queued = "steady";
        outbox.credit = this.quantum;
        this.steady.push(outbox);
      } else {
        outbox.queued = "idle";
      }
    }
    return end;
  }
}

const NO_TRAINS: Array<Train> = [];

/** The drained head of a train list is cut off when it is this long. */
const COMPACT_AT = 64;
