import { CELL_BODY_LEN } from "@allium/cell";
import type { LinkCounters, LinkEnd, MemoryAccount, Signal } from "@allium/kernel";
import { releaseBytes, takeSlab } from "./slab-pool.ts";
import { slabBytes, type Train } from "./train.ts";

/** Why nothing more comes from the peer for a circuit. */
export type InboxEnd =
  /** The peer sent DESTROY with this reason. */
  | { readonly _tag: "Destroyed"; readonly reason: number }
  /** The channel closed. */
  | { readonly _tag: "ChannelClosed" }
  /** The peer sent more than the inbox may hold. */
  | { readonly _tag: "Overrun"; readonly bytes: number };

/** A single fixed cell that is not relayed data, such as CREATED2. */
export interface ControlCell {
  readonly command: number;
  readonly payload: Buffer;
}

interface Segment {
  readonly command: number;
  readonly slab: Buffer;
  readonly capacity: number;
  /** The place in line of its first cell. */
  readonly place: number;
  count: number;
}

/**
 * The per-circuit queue at the channel reader: one of the buffers at the edges. The channel reactor fills it, the
 * circuit's reactor empties it; when it is full the circuit is ended (policy: `Overrun`), since a channel that waited
 * would stall its other circuits. Cells are copied once, from the socket's bytes into the circuit's own slabs, so that a
 * circuit that stops reading pins no memory but its own.
 */
export class CircuitInbox implements LinkEnd {
  /** Bytes of payload that wait. */
  bytes = 0;
  private readonly memory: MemoryAccount | undefined;
  /** Bytes of the slabs that wait, full or not: what is charged. */
  private charged = 0;
  private readonly circId: number;
  private readonly listener: { onEnd?(): void } | undefined;
  private items = 0;
  /** Empty arrays are shared, and filled ones let go: most inboxes are empty most of the time. */
  private segments: Array<Segment> = NO_SEGMENTS;
  private head = 0;
  private controls: Array<ControlCell> = NO_CONTROLS;
  private signal: Signal;
  private readonly limitBytes: number;
  private readonly maxTrain: number;
  private nextCapacity = 1;
  /** The slab of the train that was taken last. */
  private lent: Buffer | undefined = undefined;
  private end: InboxEnd | undefined = undefined;

  /**
   * @param options.listener told once when nothing more comes
   * @param options.memory charged with the slabs that wait
   */
  constructor(options: {
    readonly circId: number;
    readonly signal: Signal;
    readonly limitBytes: number;
    readonly maxTrain: number;
    readonly listener?: { onEnd?(): void } | undefined;
    readonly memory?: MemoryAccount | undefined;
  }) {
    this.circId = options.circId;
    this.listener = options.listener;
    this.memory = options.memory;
    this.signal = options.signal;
    this.limitBytes = options.limitBytes;
    this.maxTrain = options.maxTrain;
  }

  /** Copies one relay cell's payload, `bytes[start, start + 509)`, to the queue. */
  push(command: number, bytes: Buffer, start: number): void {
    if (this.end !== undefined) return;
    if (this.bytes >= this.limitBytes) {
      this.close({ _tag: "Overrun", bytes: this.bytes });
      return;
    }
    let tail = this.segments[this.segments.length - 1];
    if (tail === undefined || tail.count === tail.capacity || tail.command !== command) {
      const capacity = this.capacityAfter(tail, command);
      this.items++;
      const place = this.charge(slabBytes(capacity));
      tail = { command, slab: takeSlab(slabBytes(capacity)), capacity, place, count: 0 };
      if (this.segments === NO_SEGMENTS) this.segments = [tail];
      else this.segments.push(tail);
    }
    bytes.copy(tail.slab, slabBytes(tail.count), start, start + CELL_BODY_LEN);
    tail.count++;
    this.bytes += CELL_BODY_LEN;
    this.signal.notify();
  }

  /**
   * A slab as large as the last one that filled up, or half of one that did not, and twice that while the circuit lags behind. A change of the command
   * leaves a slab half empty: there it begins small again, or a peer that alternates would have us hold 32 times what waits.
   */
  private capacityAfter(tail: Segment | undefined, command: number): number {
    if (tail === undefined) return this.nextCapacity;
    return tail.command === command ? Math.min(this.maxTrain, tail.capacity * 2) : 1;
  }

  /** Queues a control cell; at most {@link MAX_CONTROLS} wait, more are an overrun. */
  pushControl(cell: ControlCell): void {
    if (this.end !== undefined) return;
    if (this.controls.length >= MAX_CONTROLS) {
      this.close({ _tag: "Overrun", bytes: this.bytes });
      return;
    }
    this.items++;
    if (this.controls === NO_CONTROLS) this.controls = [cell];
    else this.controls.push(cell);
    this.signal.notify();
  }

  /** Nothing more comes. What already waits can still be taken after a DESTROY; after an overrun it is dropped. */
  close(end: InboxEnd): void {
    if (this.end !== undefined) return;
    this.end = end;
    if (end._tag === "Overrun") this.clear();
    this.signal.notify();
    this.listener?.onEnd?.();
  }

  /** The next control cell, which always came before the trains that wait beside it. */
  takeControl(): ControlCell | undefined {
    if (this.controls === NO_CONTROLS) return undefined;
    const control = this.controls.shift();
    if (this.controls.length === 0) this.controls = NO_CONTROLS;
    return control;
  }

  /** The next train, or `undefined` if none waits. Its slab is lent: from the next call on it is filled with other cells. */
  take(): Train | undefined {
    if (this.lent !== undefined) {
      releaseBytes(this.lent);
      this.lent = undefined;
    }
    const segment = this.segments[this.head];
    if (segment === undefined) return undefined;
    this.head++;
    if (this.head === this.segments.length) {
      this.segments = NO_SEGMENTS;
      this.head = 0;
    } else if (this.head >= COMPACT_AT) {
      this.segments.splice(0, this.head);
      this.head = 0;
    }
    const { command, count, slab } = segment;
    this.bytes -= slabBytes(count);
    this.charge(-slabBytes(segment.capacity));
    // A burst rarely fills its last slab: what is left over says little about the next one.
    const { capacity } = segment;
    this.nextCapacity = count === capacity ? Math.min(this.maxTrain, count * 2) : Math.max(count, capacity >> 1);
    this.lent = slab;
    return { command, count, slab: count === capacity ? slab : slab.subarray(0, slabBytes(count)) };
  }

  /** Why nothing more comes, once all that came was taken. */
  ended(): InboxEnd | undefined {
    return this.end !== undefined && this.segments.length === 0 && this.controls.length === 0 ? this.end : undefined;
  }

  /** Whether nothing more comes. What came may still wait. */
  get isClosed(): boolean {
    return this.end !== undefined;
  }

  /** Drops all that waits. */
  clear(): void {
    this.segments = NO_SEGMENTS;
    this.head = 0;
    this.controls = NO_CONTROLS;
    this.bytes = 0;
    this.charge(-this.charged);
  }

  /** The place in line of the oldest cell that waits; `undefined` if none does. */
  oldest(): number | undefined {
    return this.segments[this.head]?.place;
  }

  private charge(bytes: number): number {
    this.charged += bytes;
    return this.memory?.adjust(bytes) ?? 0;
  }

  /** For the topology, where it is the link from the channel's reader to the circuit. */
  get name(): string {
    return `inbox ${this.circId.toString(16)}`;
  }

  get link(): object {
    return this;
  }

  /** Items are trains and control cells; nobody waits to write. */
  counters(): LinkCounters {
    return { items: this.items, writerBlocks: 0, writerBlockedNanos: 0, readerBlocks: 0, readerBlockedNanos: 0 };
  }

  /** Lets another reactor be woken from now on: a far inbox changes hands when its circuit is extended. */
  wake(signal: Signal): void {
    this.signal = signal;
    signal.notify();
  }
}

const NO_SEGMENTS: Array<Segment> = [];
const NO_CONTROLS: Array<ControlCell> = [];

/** A circuit has one CREATED2 to expect, ever, and the channel lets no other through. */
const MAX_CONTROLS = 2;

/** The taken head of the segment list is cut off when it is this long. */
const COMPACT_AT = 64;
