/** What the openers of all circuits count. */
export interface OpenerCounts {
  /** Streams to hosts that were opened. */
  readonly opened: number;
  /** Streams to the directory that were opened. */
  readonly directoryOpened: number;
  /** Streams of either kind that were refused, by END reason. */
  readonly refused: ReadonlyMap<number, number>;
  /** Answers to RESOLVE that name an address or a host. */
  readonly resolved: number;
  /** Answers to RESOLVE that say that there is none. */
  readonly unresolved: number;
  /** Attempts to connect that are under way. */
  readonly connecting: number;
}

/** What an exit has done since it started, and what it holds. */
export interface ExitCounts extends OpenerCounts {
  /** Connections that linger: their streams have ended. */
  readonly lingering: number;
  /** Connections that were cut off while bytes of their stream still waited: out of time or out of room. */
  readonly lingeringCut: number;
  /** Names whose answers are kept. */
  readonly cachedNames: number;
  /** Names that name servers are being asked for. */
  readonly askedNames: number;
}

/** Where the openers count. */
export class OpenerCounters {
  opened = 0;
  directoryOpened = 0;
  resolved = 0;
  unresolved = 0;
  connecting = 0;
  private readonly refused = new Map<number, number>();

  refuse(reason: number): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }

  counts(): OpenerCounts {
    const { opened, directoryOpened, resolved, unresolved, connecting } = this;
    return { opened, directoryOpened, resolved, unresolved, connecting, refused: new Map(this.refused) };
  }
}
