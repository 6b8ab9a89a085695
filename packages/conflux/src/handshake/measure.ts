import type { Micros } from "@allium/circuit";

/**
 * The round trip between two times, microseconds, at least 1: 0 stands for a leg that is not measured, and a clock that stands
 * still must not make this one look so.
 */
export const roundTripUs = (sentUs: Micros, nowUs: Micros): number => Math.max(1, nowUs - sentUs);
