export * from "./build-times.ts";
export { BuildTimeStateError, type BuildTimeStateProblem } from "./errors.ts";
export { type Bin, binWidthMs, historyLength } from "./history.ts";
export { type BuildTimeParams, buildTimeParams, type ParamSource } from "./params.ts";
export { type CircuitAction, measuredHops } from "./scale.ts";
export { type BuildTimeState, readBuildTimeState } from "./state.ts";
