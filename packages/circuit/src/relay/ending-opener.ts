import type { StreamOpener } from "../streams/opener.ts";

/** An opener that wants to know when its circuit is over, since it counts what the circuit has. */
export interface EndingOpener extends StreamOpener {
  /** All streams of the circuit have ended, and no more come. It must not block. */
  readonly onCircuitEnd: () => void;
}

/** Whether an opener is one. */
export const isEndingOpener = (opener: StreamOpener): opener is EndingOpener => "onCircuitEnd" in opener;
