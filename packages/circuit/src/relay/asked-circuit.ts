import { DestroyReason } from "@allium/cell";
import type { Channel, ChannelCircuit, CircuitSignals, CreateRequest } from "@allium/channel";
import { type MemoryAccount, type MemoryHolder, type MemoryQuota, Signal } from "@allium/kernel";
import { CIRCUITS } from "../circuit-context.ts";

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
 * A circuit that a peer has asked for. It is on its channel from then on, so that a second CREATE for its ID, or a DESTROY, finds
 * it there, however long the answer takes.
 */
export class AskedCircuit implements CircuitSignals, CircuitOwner {
  readonly channel: Channel;
  readonly near: ChannelCircuit;
  /** Woken by what comes in. */
  readonly inbound: Signal = Signal.make();
  /** Charged by all buffers of the circuit. */
  readonly memory: MemoryAccount;
  /** Its peer has given it up, or its memory was needed, before it was answered. */
  gone = false;
  /** Who answers for it once it is answered; until then, itself. */
  owner: CircuitOwner | undefined = undefined;
  private readonly onGone: (asked: AskedCircuit) => void;

  /** @param onGone told if it ends before it is answered */
  constructor(request: CreateRequest, quota: MemoryQuota, onGone: (asked: AskedCircuit) => void) {
    this.channel = request.channel;
    this.onGone = onGone;
    this.memory = quota.open(CIRCUITS, this);
    this.near = request.accept(this);
  }

  onEnd(): void {
    if (this.owner !== undefined) this.owner.onEnd();
    else this.leave();
  }

  oldest(): number | undefined {
    return this.owner === undefined ? this.near.inbox.oldest() : this.owner.oldest();
  }

  reclaim(): void {
    if (this.owner !== undefined) return this.owner.reclaim();
    this.near.destroy(DestroyReason.RESOURCELIMIT);
    this.leave();
  }

  private leave(): void {
    this.gone = true;
    this.memory.close();
    this.onGone(this);
  }
}
