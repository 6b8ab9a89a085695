import { type FlowParams, flowParams } from "../../src/flow/params.ts";

/** What holds where the consensus says nothing. */
export const defaults: FlowParams = flowParams(() => undefined);

/** A monotonic clock that moves, and one that is suspected of standing still. */
export const goodClock = { clockReliable: true };
export const badClock = { clockReliable: false };
