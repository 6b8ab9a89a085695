import { MemoryAccount, type MemoryLedger } from "./memory-account.ts";
import { Signal } from "./signal.ts";

/** What becomes of the bytes of a kind when memory is short; see {@link MemoryQuota.reclaim}. */
export type MemoryPolicy = "share" | "queue" | "fixed";

/** Accounts of one kind are counted together. Made once, and known by identity. */
export interface MemoryKind {
  /** For logs and metrics, in the plural: `circuits`. */
  readonly name: string;
  readonly policy: MemoryPolicy;
}

/** Who answers for what an account holds. */
export interface MemoryHolder {
  /**
   * The place in line of the oldest bytes that wait, as `MemoryAccount.adjust` gave it; `undefined` if none do. Asked only when
   * memory is short, so it may take a walk.
   */
  readonly oldest: () => number | undefined;
  /**
   * Lets go of all that waits, or in a cache of at least so many bytes, and tells the account before it returns. It must not
   * block.
   */
  readonly reclaim: (bytes: number) => void;
}

/** One step of a reclamation: what one holder has let go of. */
export interface Reclaimed {
  readonly kind: MemoryKind;
  readonly bytes: number;
}

/** The accounts of one kind as a whole. */
export interface MemorySum {
  readonly kind: MemoryKind;
  readonly accounts: number;
  /** Bytes that are charged now. */
  readonly bytes: number;
  /** Holders that had to let go of something so far, and bytes. */
  readonly reclaimedHolders: number;
  readonly reclaimedBytes: number;
}

/** How much memory there is for what waits. */
export interface MemoryLimits {
  /** Bytes. Above it, memory is reclaimed. @default no limit */
  readonly limit?: number;
  /** The fraction of the limit at which reclaiming stops. @default LOW_WATER */
  readonly lowWater?: number;
}

/**
 * The one account of a process: every buffer in which bytes wait charges it, through the account of its owner. Counting costs
 * a few additions for a charge, however many accounts there are; who holds the oldest bytes costs a walk, which is taken only
 * when the limit has been passed.
 *
 * Age is a place in line, not a time: charges are numbered, and the smaller number came first. So nobody needs a clock to put
 * bytes in a queue.
 *
 * What counts is what buffers say that they hold. The objects around the bytes, and what the platform keeps beside them, do not.
 */
export class MemoryQuota {
  /** Notified when the limit is passed, for the one who reclaims. */
  readonly shortage: Signal = Signal.make();
  private readonly kinds = new Map<MemoryKind, Ledger>();
  private readonly lowFraction: number;
  private bound: number;
  private sum = 0;
  private most = 0;
  private line = 0;

  constructor(limits: MemoryLimits = {}) {
    this.bound = limits.limit ?? Number.POSITIVE_INFINITY;
    this.lowFraction = limits.lowWater ?? LOW_WATER;
  }

  /** Bytes above which is reclaimed. */
  get limit(): number {
    return this.bound;
  }

  /** Bytes down to which is reclaimed. */
  get lowWater(): number {
    return this.bound * this.lowFraction;
  }

  /** Another limit, from now on: if more is charged already, memory is short. */
  setLimit(bytes: number): void {
    this.bound = bytes;
    if (this.sum > bytes) this.shortage.notify();
  }

  /** Bytes that are charged now. */
  get used(): number {
    return this.sum;
  }

  /** The most that has been charged at once. */
  get peak(): number {
    return this.most;
  }

  /** Opens an account, until it is closed. Without a holder it is of a `fixed` kind. */
  open(kind: MemoryKind, holder: MemoryHolder = NOBODY): MemoryAccount {
    let ledger = this.kinds.get(kind);
    if (ledger === undefined) {
      ledger = new Ledger(kind, (bytes) => this.note(bytes));
      this.kinds.set(kind, ledger);
    }
    return ledger.open(holder);
  }

  /** What each kind holds. */
  sums(): ReadonlyArray<MemorySum> {
    return [...this.kinds.values()].map((ledger) => ledger.snapshot());
  }

  private note(bytes: number): number {
    this.sum += bytes;
    if (this.sum > this.most) this.most = this.sum;
    if (this.sum > this.bound) this.shortage.notify();
    this.line += 1;
    return this.line;
  }

  /**
   * Lets go of bytes, one holder at each step, if the limit has been passed; nothing if it has not. In this order:
   *
   * | policy | for | what goes |
   * | --- | --- | --- |
   * | `share` | caches, and buffers of what many share | of a kind that has more than a fifth of the limit, the oldest, down to a tenth |
   * | `queue` | bytes that wait for somebody | the oldest, until the low-water mark is reached |
   * | `fixed` | what is only counted | nothing |
   *
   * Between two steps others may run: ages are those at the beginning, sums those of the moment.
   */
  *reclaim(): Generator<Reclaimed, void> {
    if (this.sum <= this.limit) return;
    const ledgers = [...this.kinds.values()];
    const of = (policy: MemoryPolicy) => ledgers.filter((ledger) => ledger.kind.policy === policy);
    for (const ledger of of("share")) {
      if (ledger.bytes <= this.limit * SHARE_HIGH) continue;
      yield* reclaimOldest([ledger], () => ledger.bytes - this.limit * SHARE_LOW);
    }
    yield* reclaimOldest(of("queue"), () => this.sum - this.lowWater);
  }
}

/** The accounts of one kind. */
class Ledger implements MemoryLedger {
  readonly kind: MemoryKind;
  readonly accounts = new Set<MemoryAccount>();
  bytes = 0;
  reclaimedHolders = 0;
  reclaimedBytes = 0;
  private readonly total: (bytes: number) => number;

  constructor(kind: MemoryKind, total: (bytes: number) => number) {
    this.kind = kind;
    this.total = total;
  }

  open(holder: MemoryHolder): MemoryAccount {
    const account = new MemoryAccount(this.kind, holder, this);
    this.accounts.add(account);
    return account;
  }

  note(bytes: number): number {
    this.bytes += bytes;
    return this.total(bytes);
  }

  close(account: MemoryAccount): void {
    this.accounts.delete(account);
  }

  /** Has a holder let go; returns how many bytes that were. */
  reclaim(account: MemoryAccount, bytes: number): number {
    const before = account.bytes;
    account.holder.reclaim(bytes);
    const reclaimed = before - account.bytes;
    this.reclaimedHolders += 1;
    this.reclaimedBytes += reclaimed;
    return reclaimed;
  }

  snapshot(): MemorySum {
    const { kind, accounts, bytes, reclaimedHolders, reclaimedBytes } = this;
    return { kind, accounts: accounts.size, bytes, reclaimedHolders, reclaimedBytes };
  }
}

/** Has those with the oldest bytes let go, as long as `excess` says that there is too much. */
function* reclaimOldest(ledgers: ReadonlyArray<Ledger>, excess: () => number): Generator<Reclaimed, void> {
  if (excess() <= 0) return;
  const waiting: Array<{ readonly ledger: Ledger; readonly account: MemoryAccount; readonly oldest: number }> = [];
  for (const ledger of ledgers) {
    for (const account of ledger.accounts) {
      if (account.bytes === 0) continue;
      const oldest = account.holder.oldest();
      if (oldest !== undefined) waiting.push({ ledger, account, oldest });
    }
  }
  waiting.sort((one, other) => one.oldest - other.oldest);
  for (const { ledger, account } of waiting) {
    if (excess() <= 0) return;
    if (account.bytes > 0) yield { kind: ledger.kind, bytes: ledger.reclaim(account, excess()) };
  }
}

const NOBODY: MemoryHolder = { oldest: () => undefined, reclaim: () => {} };

/** How full memory may be when reclaiming stops, as in Arti. */
export const LOW_WATER = 0.75;

/** A kind of policy `share` is left alone up to this fraction of the limit, as caches in `tor`. */
const SHARE_HIGH = 1 / 5;

/** And goes down to this one. */
const SHARE_LOW = 1 / 10;
