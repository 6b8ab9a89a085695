export type { ExitCounts } from "./counters.ts";
export { type ExitConfig, ExitStatus, layer as layerExit } from "./exit-openers.ts";
export * from "./resolver.ts";
export * as NodeResolver from "./resolver-node.ts";
