import { RelayCommand } from "@allium/cell";
import { slabBytes, takeSlab } from "@allium/channel";
import type { StreamBatch } from "@allium/circuit";
import type { MemoryAccount, Signal } from "@allium/kernel";
import { MAX_ENDED_LEGS } from "../limits.ts";
import { isMultiplexed } from "../multiplexed.ts";
import { ResendBuffer } from "../sequence/resend-buffer.ts";
import type { SendSequence } from "../sequence/send-sequence.ts";
import { commandAt } from "./cells.ts";
import type { Leg } from "./leg.ts";

/** The cells of a kept train, and of nothing else. */
interface Kept {
  readonly slab: Buffer;
}

/** What goes out again: {@link StreamBatch} without what its leg adds. */
export type Again = Pick<StreamBatch, "slab" | "count" | "lead">;

/**
 * The half of a set that resumes which sends: keeps copies of what goes out, and has them sent again on another leg when theirs ends.
 * Copies, because egress seals a train where it is. Proposal 329, 2.7, but for the leg that is linked anew (docs/decisions/0019-resumption.md).
 */
export class Resending {
  /** Cells that were sent again, so far. */
  sentAgain = 0;
  /** Legs that have ended, by their numbers: the last few. */
  private ended: ReadonlyArray<number> = [];
  /** What legs are to be told of others. */
  private news: Array<{ readonly to: Leg; readonly ended: number }> = [];
  private readonly buffer = new ResendBuffer<Kept>();
  private readonly account: MemoryAccount;
  private readonly sending: SendSequence;
  /** DATA cells that were acknowledged on each leg, as far as they were looked at. */
  private readonly acknowledged = new Map<Leg, number>();

  constructor(account: MemoryAccount, sending: SendSequence) {
    this.account = account;
    this.sending = sending;
  }

  /** Bytes that are kept. */
  get bytes(): number {
    return this.buffer.bytes;
  }

  /** Whether something has to be sent again, before anything new. */
  get isDue(): boolean {
    return this.buffer.next !== undefined;
  }

  /** DATA cells in what has to be sent again next. */
  get dueData(): number {
    const { next } = this.buffer;
    return next === undefined ? 0 : dataIn(next.payload.slab, next.cells);
  }

  /** Cells of a batch that count are about to go out on a leg; the first of them has the number `first`. */
  keep(leg: Leg, { slab, count }: StreamBatch, first: number, counted: number): void {
    const own = counting(slab, count, counted);
    this.settling(() => {
      this.release(leg);
      this.buffer.keep(leg.leg, first, counted, dataIn(own, counted), own.length, { slab: own });
    });
  }

  /** What is acknowledged on all of these legs need not be kept. */
  onSendmes(legs: ReadonlyArray<Leg>): void {
    if (this.buffer.bytes === 0) return;
    this.settling(() => {
      for (const leg of legs) this.release(leg);
    });
  }

  /** A leg has ended. Returns whether all that may have gone with it can be sent again. */
  onLegEnded(leg: Leg): boolean {
    let isWhole = false;
    this.settling(() => {
      this.release(leg);
      this.acknowledged.delete(leg);
      isWhole = this.buffer.onLegEnded(leg.leg);
    });
    return isWhole;
  }

  /** These legs are to be told that another one has ended: by its number in LINK. So are those that join later: the others may be gone too. */
  tell(legs: ReadonlyArray<Leg>, ended: number): void {
    this.ended = [...this.ended, ended].slice(-MAX_ENDED_LEGS);
    this.news = this.news.concat(legs.map((to) => ({ to, ended })));
  }

  /** A leg has joined. */
  greet(to: Leg): void {
    this.news = this.news.concat(this.ended.map((ended) => ({ to, ended })));
  }

  /** Tells those of the legs that can be told now. Whether there was one. */
  spread(legs: ReadonlyArray<Leg>, room: Signal): boolean {
    if (this.news.length === 0) return false;
    const before = this.news.filter(({ to }) => legs.includes(to));
    this.news = before.filter(({ to, ended }) => {
      if (to.outbound.writer.waitsForRoom(room)) return true;
      to.say({ _tag: "CONFLUX_LEG_ENDED", leg: ended });
      return false;
    });
    return this.news.length < before.length;
  }

  /** Takes what has to be sent again next, for a leg. Its room for DATA is the caller's to count. */
  take(leg: Leg): Again | undefined {
    const { next } = this.buffer;
    if (next === undefined) return undefined;
    const { first, cells: count, payload } = next;
    const slab = takeSlab(payload.slab.length);
    payload.slab.copy(slab);
    const relativeSeqno = this.sending.sendAgain(leg.leg, first, count);
    this.buffer.onSentAgain(leg.leg, dataIn(slab, count));
    this.sentAgain += count;
    if (relativeSeqno === 0) return { slab, count };
    return relativeSeqno > 0
      ? { slab, count, lead: { _tag: "CONFLUX_SWITCH", relativeSeqno } }
      : { slab, count, lead: { _tag: "CONFLUX_REWIND", lastSeqno: BigInt(first - 1) } };
  }

  /** Lets go of all copies. Returns whether the set can go on, with what was in flight at the risk of being lost. */
  clear(): boolean {
    let goesOn = false;
    this.settling(() => {
      goesOn = this.buffer.clear();
    });
    return goesOn;
  }

  private release(leg: Leg): void {
    const { budget, view } = leg.flow;
    const before = this.acknowledged.get(leg) ?? 0;
    const now = budget.sealed - view.inflight;
    if (now <= before) return;
    this.acknowledged.set(leg, now);
    this.buffer.release(leg.leg, now - before);
  }

  /** Does something to the buffer, and charges what has come of it. */
  private settling(change: () => void): void {
    const before = this.buffer.bytes;
    change();
    this.account.adjust(this.buffer.bytes - before);
  }
}

const dataIn = (slab: Buffer, count: number): number => {
  let data = 0;
  for (let index = 0; index < count; index++) if (commandAt(slab, index) === RelayCommand.DATA) data++;
  return data;
};

/** A copy of those cells of a slab that count. */
const counting = (slab: Buffer, count: number, counted: number): Buffer => {
  const own = Buffer.allocUnsafe(slabBytes(counted));
  if (counted === count) {
    slab.copy(own, 0, 0, own.length);
    return own;
  }
  let to = 0;
  for (let index = 0; index < count; index++) {
    if (isMultiplexed(commandAt(slab, index))) slab.copy(own, slabBytes(to++), slabBytes(index), slabBytes(index + 1));
  }
  return own;
};
