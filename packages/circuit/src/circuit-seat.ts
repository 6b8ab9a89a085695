import type { ChannelCircuit, CircuitSignals } from "@allium/channel";
import { type MemoryAccount, type MemoryHolder, type MemoryQuota, Signal } from "@allium/kernel";
import { CIRCUITS } from "./circuit-context.ts";

/** A circuit's place on its near channel, and what came with it. */
export interface CircuitSeat {
  readonly near: ChannelCircuit;
  /** Woken by what comes in. */
  readonly inbound: Signal;
  /** Charged by all buffers of the circuit. */
  readonly memory: MemoryAccount;
}

/** Who answers for a circuit that is on its channel. */
export interface CircuitOwner extends MemoryHolder {
  /** Nothing more comes from the near channel. It must not block. */
  onEnd(): void;
  /** The place in line of the oldest bytes that wait; `undefined` if none do. */
  oldest(): number | undefined;
  /** Ends the circuit at once, with all that waits: memory has run out. */
  reclaim(): void;
}

/**
 * The seat of a circuit that somebody has asked for, by whatever side. It is on its channel from then on, however long the answer
 * takes. Until the circuit is open, and owns it, the seat answers for itself.
 */
export abstract class AskedSeat implements CircuitSeat, CircuitSignals, CircuitOwner {
  abstract readonly near: ChannelCircuit;
  readonly inbound: Signal = Signal.make();
  readonly memory: MemoryAccount;
  /** The circuit, once it is open. */
  owner: CircuitOwner | undefined = undefined;

  constructor(quota: MemoryQuota) {
    this.memory = quota.open(CIRCUITS, this);
  }

  /** What `onEnd` does before the circuit is open. */
  protected abstract onEndUnanswered(): void;
  /** What `reclaim` does before the circuit is open. */
  protected abstract reclaimUnanswered(): void;

  onEnd(): void {
    if (this.owner !== undefined) this.owner.onEnd();
    else this.onEndUnanswered();
  }

  oldest(): number | undefined {
    return this.owner === undefined ? this.near.inbox.oldest() : this.owner.oldest();
  }

  reclaim(): void {
    if (this.owner !== undefined) this.owner.reclaim();
    else this.reclaimUnanswered();
  }
}
