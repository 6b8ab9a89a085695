import { DestroyReason } from "@allium/cell";
import type { ChannelCircuit, CreateRequest } from "@allium/channel";
import { type MemoryAccount, type MemoryQuota, Signal } from "@allium/kernel";
import { CIRCUITS } from "../circuit-context.ts";

/** Who answers for a circuit that is on its channel. */
export interface CircuitOwner {
  /** Nothing more comes from the near channel. It must not block. */
  readonly onEnd: () => void;
  /** The place in line of the oldest bytes that wait; `undefined` if none do. */
  readonly oldest: () => number | undefined;
  /** Ends the circuit at once, with all that waits: memory has run out. */
  readonly reclaim: () => void;
}

/**
 * A circuit that a peer has asked for. It is on its channel from then on, so that a second CREATE for its ID, or a DESTROY, finds
 * it there, however long the answer takes.
 */
export class AskedCircuit {
  readonly request: CreateRequest;
  readonly near: ChannelCircuit;
  /** Woken by what comes in, and by room towards the channel. */
  readonly inbound: Signal = Signal.make();
  readonly room: Signal = Signal.make();
  /** Charged by all buffers of the circuit. */
  readonly memory: MemoryAccount;
  /** Its peer has given it up, or its memory was needed, before it was answered. */
  gone = false;
  /** Until it is answered, itself. */
  owner: CircuitOwner;

  /** @param onGone told if it ends before it is answered */
  constructor(request: CreateRequest, quota: MemoryQuota, onGone: (asked: AskedCircuit) => void) {
    this.request = request;
    const leave = (): void => {
      this.gone = true;
      this.memory.close();
      onGone(this);
    };
    this.owner = {
      onEnd: leave,
      oldest: () => this.near.inbox.oldest(),
      reclaim: () => {
        this.near.destroy(DestroyReason.RESOURCELIMIT);
        leave();
      },
    };
    this.memory = quota.open(CIRCUITS, { oldest: () => this.owner.oldest(), reclaim: () => this.owner.reclaim() });
    const { inbound, room, memory } = this;
    this.near = request.accept({ inbound, room, memory, onEnd: () => this.owner.onEnd() });
  }
}
