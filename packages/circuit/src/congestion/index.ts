export type {
  CongestionAlgorithm,
  CongestionControl,
  CongestionSignals,
  CongestionView,
  ReceiveAccount,
} from "./control.ts";
export { CongestionError, type CongestionProblem } from "./errors.ts";
export { Micros, microsOfNanos } from "./units.ts";
