export { maxKeptCandidates } from "./candidates.ts";
export * from "./choose.ts";
export { confluxExitShare } from "./conflux-share.ts";
export * from "./errors.ts";
export { areFamily, type FamilyRules } from "./families.ts";
export * from "./guards.ts";
export * from "./legs.ts";
export {
  choosePath,
  defaultHops,
  maxHops,
  type Path,
  type PathEnd,
  type PathRequest,
} from "./path.ts";
export { type ExitNeed, longLivedPorts, needStable, permits, permitsSomething } from "./ports.ts";
export type { Random } from "./random.ts";
export * from "./readiness.ts";
export { type PathDirectory, type PathOptions, type Relay, RelayTable } from "./relay-table.ts";
export type { Surroundings } from "./restriction.ts";
export type { Position } from "./weights.ts";
