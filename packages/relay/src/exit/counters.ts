import type { Places } from "./places.ts";

/** What asks for a stream, or for something that `tor` counts as one. */
export type StreamKind = "BEGIN" | "BEGIN_DIR" | "RESOLVE";

/** Which bound of the exit a stream met. */
export type StreamBound =
  /** Its circuit has as many open as one may have. */
  | "streamsPerCircuit"
  /** All circuits together nearly have as many open as they may, and its circuit has as many as are left. The same goes for the others. */
  | "streams"
  /** Streams of BEGIN_DIR. */
  | "directory"
  /** Names that are waited for. */
  | "lookups"
  /** Attempts to connect that are under way. */
  | "connecting";

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
  /** Streams and look-ups that met a bound, by which. */
  readonly bounded: Readonly<Record<StreamBound, number>>;
  /** Answers to RESOLVE that name an address or a host. */
  readonly resolved: number;
  /** Answers to RESOLVE that say that there is none. */
  readonly unresolved: number;
  /** Streams that are open or being opened, look-ups among them. */
  readonly streams: number;
  /** Names that are waited for. */
  readonly lookups: number;
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

/** What the circuits of an exit share. */
export interface StreamPlaces {
  readonly streams: Places;
  readonly directory: Places;
  readonly lookups: Places;
  readonly connecting: Places;
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
  readonly bounded: Record<StreamBound, number> = {
    streamsPerCircuit: 0,
    streams: 0,
    directory: 0,
    lookups: 0,
    connecting: 0,
  };
  /** What circuits share. */
  readonly places: StreamPlaces;
  private readonly refused = new Map<number, number>();

  constructor(places: StreamPlaces) {
    this.places = places;
  }

  /** A stream was refused, with this END reason. */
  refuse(reason: number): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }

  /** The figures of this moment. */
  counts(): OpenerCounts {
    const { opened, directoryOpened, resolved, unresolved, exhausted, places } = this;
    return {
      asked: { ...this.asked },
      connected: { ...this.connected },
      exhausted,
      opened,
      directoryOpened,
      resolved,
      unresolved,
      streams: places.streams.taken,
      lookups: places.lookups.taken,
      connecting: places.connecting.taken,
      refused: new Map(this.refused),
      bounded: { ...this.bounded },
    };
  }
}
