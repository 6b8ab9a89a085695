export { FlowError, type FlowProblem } from "./errors.ts";
export { streamFlow } from "./make.ts";
export { flowParamTable } from "./param-table.ts";
export { dataCellBytesMax, dataCellBytesMin, type FlowParams, flowParams } from "./params.ts";
export type { FlowAnswer, StreamFlow, StreamReceiveFlow, StreamSendFlow } from "./stream-flow.ts";
export { BytesPerSecond, XonRate } from "./units.ts";
export { windowFlow } from "./window-flow.ts";
export { type StreamRole, xonXoffFlow } from "./xon-xoff-flow.ts";
