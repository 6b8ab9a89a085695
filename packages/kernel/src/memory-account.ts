import type { MemoryHolder, MemoryKind } from "./memory-quota.ts";

/** Where accounts of one kind are summed up. */
export interface MemoryLedger {
  /** Takes in a change of an account; returns its place in line. */
  readonly note: (bytes: number) => number;
  readonly close: (account: MemoryAccount) => void;
}

/**
 * What one owner holds: a circuit, a cache. Every buffer of the owner charges it when bytes come and releases them when they
 * go, once for a train or a chunk and not for each cell.
 */
export class MemoryAccount {
  /** Bytes that are charged now. */
  bytes = 0;
  readonly kind: MemoryKind;
  readonly holder: MemoryHolder;
  private readonly ledger: MemoryLedger;
  private closed = false;

  /** Made by `MemoryQuota.open`. */
  constructor(kind: MemoryKind, holder: MemoryHolder, ledger: MemoryLedger) {
    this.kind = kind;
    this.holder = holder;
    this.ledger = ledger;
  }

  /**
   * So many bytes more are held, or less. Returns the place in line of what came: the greater, the later. After `close`
   * nothing counts any more.
   */
  adjust(bytes: number): number {
    if (this.closed) return 0;
    this.bytes += bytes;
    return this.ledger.note(bytes);
  }

  /** The owner is gone, and all that it held. Safe to call again. */
  close(): void {
    if (this.closed) return;
    this.adjust(-this.bytes);
    this.closed = true;
    this.ledger.close(this);
  }
}
