import type { Connection } from "@allium/channel";
import type { MemoryAccount, MemoryKind, MemoryQuota } from "@allium/kernel";
import {
  LINGER_CLOSE_MILLIS,
  LINGER_DISCARD_BYTES,
  LINGER_ENDLESS_MILLIS,
  LINGER_FLUSH_MILLIS,
  MAX_LINGERING,
  MAX_LINGERING_BYTES,
} from "./limits.ts";

/** How much may linger. */
export interface LingerBounds {
  /** @default MAX_LINGERING */
  readonly maxConnections?: number;
  /** @default MAX_LINGERING_BYTES */
  readonly maxBytes?: number;
}

/** A connection whose stream has ended. */
interface Entry {
  readonly connection: Connection;
  /** Bytes that were pending when it came; none come after, so this is a bound. */
  readonly bytes: number;
  /** Charged with them until they have left. */
  readonly memory: MemoryAccount;
  deadline: number;
  discarded: number;
  /** It is being looked at: what that changes is seen there and then. */
  looking: boolean;
}

/**
 * What lingers, without time of its own. A connection is `flushing` until nothing of ours is pending, then `closing` until
 * the other side closes, or `endless` once that has gone on sending for more than its share: then only a reset will stop it.
 * Each of the three takes the same time for all, so all are in the order of their deadlines.
 */
export class LingerTable {
  private readonly flushing = new Set<Entry>();
  private readonly closing = new Set<Entry>();
  private readonly endless = new Set<Entry>();
  private readonly bounds: Required<LingerBounds>;
  private readonly now: () => number;
  private readonly quota: MemoryQuota;
  private bytes = 0;
  /** Connections that were destroyed with bytes pending. */
  cut = 0;

  /** @param quota where what is pending is charged; when memory is short, the oldest are destroyed */
  constructor(bounds: LingerBounds, now: () => number, quota: MemoryQuota) {
    this.bounds = {
      maxConnections: bounds.maxConnections ?? MAX_LINGERING,
      maxBytes: bounds.maxBytes ?? MAX_LINGERING_BYTES,
    };
    this.now = now;
    this.quota = quota;
  }

  /** Connections that linger. */
  get size(): number {
    return this.flushing.size + this.closing.size + this.endless.size;
  }

  /** Takes a connection over. What lingers for too much already is destroyed first. */
  add(connection: Connection): void {
    let place = 0;
    const memory = this.quota.open(LINGERING, { oldest: () => place, reclaim: () => this.destroy(entry) });
    const entry: Entry = {
      connection,
      bytes: connection.pending,
      memory,
      deadline: this.now() + LINGER_FLUSH_MILLIS,
      discarded: 0,
      looking: false,
    };
    this.makeRoom(entry.bytes);
    this.flushing.add(entry);
    this.bytes += entry.bytes;
    place = memory.adjust(entry.bytes);
    connection.onChange(() => this.look(entry));
    connection.end();
    this.look(entry);
  }

  /** Destroys those whose time is over. */
  expire(): void {
    const now = this.now();
    for (const group of [this.endless, this.closing, this.flushing]) {
      for (const entry of group) {
        if (entry.deadline > now) break;
        this.destroy(entry);
      }
    }
  }

  /** Destroys all. */
  destroyAll(): void {
    for (const group of [this.endless, this.closing, this.flushing]) {
      for (const entry of group) this.destroy(entry);
    }
  }

  /** Those that have sent everything go first: they lose nothing. */
  private makeRoom(bytes: number): void {
    for (const group of [this.endless, this.closing]) {
      for (const entry of group) {
        if (this.size < this.bounds.maxConnections) break;
        this.destroy(entry);
      }
    }
    for (const entry of this.flushing) {
      if (this.size < this.bounds.maxConnections && this.bytes + bytes <= this.bounds.maxBytes) break;
      this.destroy(entry);
    }
  }

  /** Something about the connection changed. */
  private look(entry: Entry): void {
    if (entry.looking) return;
    const { connection } = entry;
    entry.looking = true;
    this.discard(entry);
    entry.looking = false;
    if (connection.status === "closed") return this.destroy(entry);
    // What the platform has taken may still be under way: only the other side's close tells that it has arrived.
    if (connection.pending > 0) return;
    if (this.flushing.delete(entry)) {
      this.bytes -= entry.bytes;
      entry.memory.close();
      entry.deadline = this.now() + LINGER_CLOSE_MILLIS;
      this.closing.add(entry);
    }
    if (entry.discarded < LINGER_DISCARD_BYTES || !this.closing.delete(entry)) return;
    entry.deadline = this.now() + LINGER_ENDLESS_MILLIS;
    this.endless.add(entry);
  }

  /** Unread bytes would hide the end behind them; but an endless sender gets no more than its share. */
  private discard(entry: Entry): void {
    while (entry.discarded < LINGER_DISCARD_BYTES) {
      const chunk = entry.connection.read();
      if (chunk === undefined) return;
      entry.discarded += chunk.length;
    }
  }

  private destroy(entry: Entry): void {
    if (this.flushing.delete(entry)) {
      this.bytes -= entry.bytes;
      entry.memory.close();
      if (entry.connection.pending > 0) this.cut++;
    } else {
      this.closing.delete(entry);
      this.endless.delete(entry);
    }
    entry.connection.destroy();
  }
}

/** What is pending on connections whose stream has ended. */
const LINGERING: MemoryKind = { name: "lingering", policy: "queue" };
