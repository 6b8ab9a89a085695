export { type DefenceCounts, type Defences, makeDefences } from "./defences.ts";
export type { DosCounters } from "./dos-defence.ts";
export { currentDosParams, type DosConfig, type DosParams, dosParams } from "./dos-params.ts";
export { machineMemory, memoryLimitFor } from "./memory-limit.ts";
export { defenceMetrics } from "./metrics.ts";
