/** What asks for a stream, or for something that `tor` counts as one. */
export type StreamKind = "BEGIN" | "BEGIN_DIR" | "RESOLVE";

/** What the openers of all circuits count. */
export interface OpenerCounts {
  /** Streams that were asked for, by what asked for them. */
  readonly asked: Readonly<Record<StreamKind, number>>;
  /** Connections to hosts, by address family. */
  readonly connected: Readonly<Record<4 | 6, number>>;
  /** Attempts to connect for which the machine had no port, or no socket, left. */
  readonly exhausted: number;
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
  /** Questions that name servers were asked. */
  readonly questions: number;
  /** Those that failed, by the platform's word for it (`ENOTFOUND`, …). */
  readonly failedQuestions: ReadonlyMap<string, number>;
  /** Names that were not asked for, since too many questions were under way. */
  readonly refusedQuestions: number;
}

/** Where the openers count. */
export class OpenerCounters {
  readonly asked: Record<StreamKind, number> = { BEGIN: 0, BEGIN_DIR: 0, RESOLVE: 0 };
  readonly connected: Record<4 | 6, number> = { 4: 0, 6: 0 };
  exhausted = 0;
  opened = 0;
  directoryOpened = 0;
  resolved = 0;
  unresolved = 0;
  connecting = 0;
  private readonly refused = new Map<number, number>();

  /** A stream was refused, with this END reason. */
  refuse(reason: number): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }

  /** The figures of this moment. */
  counts(): OpenerCounts {
    const { opened, directoryOpened, resolved, unresolved, connecting, exhausted } = this;
    return {
      asked: { ...this.asked },
      connected: { ...this.connected },
      exhausted,
      opened,
      directoryOpened,
      resolved,
      unresolved,
      connecting,
      refused: new Map(this.refused),
    };
  }
}
