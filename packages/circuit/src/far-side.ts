import type { ChannelCircuit } from "@allium/channel";

/**
 * A relay circuit's far side. `opening`: a channel to the next relay is being found. `waiting`: CREATE2 was sent. `open`:
 * cells pass. Written by the extender and by egress (on CREATED2); ingress and egress read it.
 */
export class FarSide {
  state: "none" | "opening" | "waiting" | "open" = "none";
  circuit: ChannelCircuit | undefined = undefined;
  /** While `opening`: gives the attempt up. */
  cancel: (() => void) | undefined = undefined;

  /** Closes the far side, whatever its state. It may be opened again. */
  close(reason: number): void {
    this.cancel?.();
    this.cancel = undefined;
    this.circuit?.destroy(reason);
    this.circuit = undefined;
    this.state = "none";
  }
}
