import { DestroyReason } from "@allium/cell";
import type { Channel, ChannelCircuit, CreateRequest } from "@allium/channel";
import type { MemoryQuota } from "@allium/kernel";
import { AskedSeat } from "../circuit-seat.ts";

/** A circuit that a peer has asked for: a second CREATE for its ID, or a DESTROY, finds it on its channel. */
export class AskedCircuit extends AskedSeat {
  readonly channel: Channel;
  readonly near: ChannelCircuit;
  /** Its peer has given it up, or its memory was needed, before it was answered. */
  gone = false;
  private readonly onGone: (asked: AskedCircuit) => void;

  /** @param onGone told if it ends before it is answered */
  constructor(request: CreateRequest, quota: MemoryQuota, onGone: (asked: AskedCircuit) => void) {
    super(quota);
    this.channel = request.channel;
    this.onGone = onGone;
    this.near = request.accept(this);
  }

  protected onEndUnanswered(): void {
    this.gone = true;
    this.memory.close();
    this.onGone(this);
  }

  protected reclaimUnanswered(): void {
    this.near.destroy(DestroyReason.RESOURCELIMIT);
    this.onEndUnanswered();
  }
}
