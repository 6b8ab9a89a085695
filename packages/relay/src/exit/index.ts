export type { ExitCounts, OpenerCounts, StreamBound } from "./counters.ts";
export { endReasonOfTransportError } from "./end-reason.ts";
export { ExitStatus, layer as layerExit } from "./exit-openers.ts";
export type { ExitBounds, ExitOptions } from "./exit-options.ts";
export * from "./resolver.ts";
export * as MemoryResolver from "./resolver-memory.ts";
export * as NodeResolver from "./resolver-node.ts";
