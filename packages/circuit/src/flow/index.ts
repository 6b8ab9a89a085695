export { FlowError, type FlowProblem } from "./errors.ts";
export type { FlowAnswer, StreamFlow, StreamReceiveFlow, StreamSendFlow } from "./stream-flow.ts";
export { BytesPerSecond, XonRate } from "./units.ts";
