export type { ClockHealth } from "./clock-watch.ts";
export { type GetParam, type ParamRange, readParam } from "./consensus-params.ts";
export type {
  CongestionAlgorithm,
  CongestionControl,
  CongestionSignals,
  CongestionView,
  ReceiveAccount,
} from "./control.ts";
export { CongestionError, type CongestionProblem } from "./errors.ts";
export { fixedWindow } from "./fixed-window.ts";
export { congestionControl } from "./make.ts";
export { type Agreement, agreeAsInitiator, agreeAsResponder, requestsCongestionControl } from "./negotiation.ts";
export { congestionParamTable } from "./param-table.ts";
export {
  type AgreedParams,
  type CongestionParams,
  type CongestionPath,
  congestionParams,
  type FixedWindowParams,
  type RttParams,
  type SendmeParams,
  type VegasParams,
} from "./params.ts";
export { receiveAccount } from "./receive-account.ts";
export { Micros, microsOfNanos } from "./units.ts";
export { vegas } from "./vegas.ts";
