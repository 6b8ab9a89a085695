// What one seed plays: everything that is drawn is drawn before it begins, so that a plan can be looked at, and cut down by hand.

/** One way of a leg, as it begins. Times are milliseconds of virtual time from the beginning. */
export interface LinePlan {
  /** From the last cell of a burst leaving to its arrival. */
  readonly delay: number;
  /** Cells that leave in a millisecond. */
  readonly rate: number;
  /** Cells that leave, and arrive, as one. */
  readonly burst: number;
  readonly changes: ReadonlyArray<LineChange>;
  /** Of a line that is no channel: its cells from this one on never arrive, to show that it would be seen. @default none */
  readonly losesFrom?: number;
}

/** What becomes of a line later. */
export interface LineChange {
  readonly at: number;
  readonly delay?: number;
  readonly rate?: number;
  /** Nothing leaves for so long. */
  readonly stall?: number;
}

export type End = "initiator" | "responder";

export const ENDS: ReadonlyArray<End> = ["initiator", "responder"];

export const otherEnd = (end: End): End => (end === "initiator" ? "responder" : "initiator");

/** How a leg ends before its set does. */
export type DeathPlan =
  /** One end stops its circuit, and the other end is told. */
  | { readonly at: number; readonly how: "stop" | "reclaim"; readonly by: End }
  /** Nothing goes either way any more; each end learns of it after so long. */
  | { readonly at: number; readonly how: "cut"; readonly told: Readonly<Record<End, number>> };

export interface LegPlan {
  /** When the initiator asks for it. */
  readonly linksAt: number;
  /** How long LINKED may take. */
  readonly timeout: number;
  /** Cells that an end has ready for its line before its egress waits. */
  readonly outboxCells: number;
  readonly lines: Readonly<Record<End, LinePlan>>;
  readonly death: DeathPlan | undefined;
}

/** What an application does with its end of a stream. */
export interface SpeakerPlan {
  /** Bytes that it has to say. */
  readonly bytes: number;
  /** Bytes of one write. */
  readonly chunk: number;
  /** Reads no more for so long, when it has read so many bytes. */
  readonly pauses: ReadonlyArray<{ readonly atByte: number; readonly millis: number }>;
  /** `end`: when all is said. `answer`: when the other has ended. `destroy`, `reset`: at once, when half is said. */
  readonly finish: "end" | "answer" | "destroy" | "reset";
}

export interface StreamPlan {
  readonly opensAt: number;
  /** `directory`: by BEGIN_DIR, which does not count for sequence numbers. */
  readonly kind: "begin" | "directory";
  /** The leg that it is asked for on; another one if it has ended. */
  readonly leg: number;
  /** Given up after so long if it is not open by then. */
  readonly patience: number | undefined;
  /** What the responder does about it. */
  readonly opening: { readonly after: number; readonly refuses: boolean };
  readonly speakers: Readonly<Record<End, SpeakerPlan>>;
}

export interface Plan {
  readonly seed: number;
  /** Most cells of one train. */
  readonly maxTrain: number;
  /** Whether an end delivers and packages in two reactors. */
  readonly split: Readonly<Record<End, boolean>>;
  /** Whether an end offers to resume, or takes the offer. */
  readonly resumption: Readonly<Record<End, boolean>>;
  /** What each end asks of the other's scheduling, a `ConfluxUx`. */
  readonly ux: Readonly<Record<End, number>>;
  /** `cfx_send_pct` and `cfx_drain_pct`. */
  readonly switching: { readonly sendPct: number; readonly drainPct: number };
  readonly window: { readonly sendmeInc: number; readonly init: number; readonly min: number; readonly max: number };
  /** Bytes that may wait for one application, and at which the other end is told to send no more. */
  readonly buffers: { readonly stream: number; readonly hop: number; readonly xoff: number };
  /** Bytes that each end has for all that waits; no limit if there is none. */
  readonly memory: Readonly<Record<End, number | undefined>>;
  readonly legs: ReadonlyArray<LegPlan>;
  readonly streams: ReadonlyArray<StreamPlan>;
  /** When the set is closed, if not when all its streams are done, and by whom: by its circuits, or as a whole. */
  readonly close: {
    readonly at: number | undefined;
    readonly by: ReadonlyArray<End>;
    readonly how: "circuits" | "set";
    /** Not before nothing is under way any more. */
    readonly rests: boolean;
  };
}
