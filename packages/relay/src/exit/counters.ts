/** What an exit has done since it started. */
export interface ExitCounts {
  /** Streams to hosts that were opened. */
  readonly opened: number;
  /** Streams to the directory that were opened. */
  readonly directoryOpened: number;
  /** Streams that were refused, by END reason. */
  readonly refused: ReadonlyMap<number, number>;
  /** Answers to RESOLVE that name an address or a host. */
  readonly resolved: number;
  /** Answers to RESOLVE that say that there is none. */
  readonly unresolved: number;
  /** Connections that linger now. */
  readonly lingering: number;
  /** Connections that were cut off while bytes of their stream still waited: out of time or out of room. */
  readonly lingeringCut: number;
  /** Names whose answers are kept. */
  readonly cachedNames: number;
  /** Names that name servers are being asked for. */
  readonly askedNames: number;
}

/** What the openers of all circuits count. */
export class OpenerCounters {
  opened = 0;
  directoryOpened = 0;
  resolved = 0;
  unresolved = 0;
  readonly refused = new Map<number, number>();

  refuse(reason: number): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }
}
