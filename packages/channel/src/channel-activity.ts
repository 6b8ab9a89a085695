import { ChannelCommand } from "@allium/cell";
import type { ChannelUsage } from "./padding.ts";

/** What a channel has counted. */
export interface ChannelCounters {
  cellsIn: number;
  cellsOut: number;
  bytesIn: number;
  bytesOut: number;
  paddingIn: number;
  paddingOut: number;
  /** Cells for circuits that are not there (any more), or that they do not wait for. */
  strayCells: number;
  /** CREATE cells that were dropped, since the peer does not read the answers to earlier ones. */
  droppedCreates: number;
  /** CREATE cells that were refused, since the channel has as many circuits as it may. */
  refusedCreates: number;
}

/** When a channel did what, in milliseconds of the clock. The reader and the writer write it, the keeper reads it. */
export class ChannelActivity {
  readonly counters: ChannelCounters = {
    cellsIn: 0,
    cellsOut: 0,
    bytesIn: 0,
    bytesOut: 0,
    paddingIn: 0,
    paddingOut: 0,
    strayCells: 0,
    droppedCreates: 0,
    refusedCreates: 0,
  };
  /** When bytes last came or went. */
  lastTransfer: number;
  /** When bytes were last given to the connection. */
  lastSent: number;
  /** When the last circuit left the channel, or the channel opened. */
  idleSince: number;
  usage: ChannelUsage = "none";
  private readonly onUse: () => void;

  /** @param onUse told when `usage` changes */
  constructor(now: number, onUse: () => void) {
    this.onUse = onUse;
    this.lastTransfer = now;
    this.lastSent = now;
    this.idleSince = now;
  }

  /**
   * A relay cell came or went. RELAY_EARLY extends a circuit, and what RELAY carries after that is traffic: the rule by which
   * `tor` tells circuits of several hops from those that only fetch documents.
   */
  noteRelay(command: number): void {
    if (this.usage === "none" && command === ChannelCommand.RELAY_EARLY) this.use("circuits");
    else if (this.usage === "circuits" && command === ChannelCommand.RELAY) this.use("traffic");
  }

  private use(usage: ChannelUsage): void {
    this.usage = usage;
    this.onUse();
  }
}
