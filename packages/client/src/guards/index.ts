export type { CircuitUsability, GuardInstance, GuardTicket } from "./circuits.ts";
export {
  type GuardCounts,
  GuardStateError,
  type GuardStateProblem,
  NoGuardError,
  type NoGuardReason,
} from "./errors.ts";
export { GuardFilter, type GuardFilterOptions } from "./filter.ts";
export type { GuardRecord, Reachability } from "./guard.ts";
export { GuardSet, type GuardSetOptions } from "./guard-set.ts";
export {
  chooseInstance,
  GuardSets,
  type GuardSetsOptions,
  type GuardSetsUpdate,
  type GuardShare,
} from "./guard-sets.ts";
export { type GuardParams, guardParams, maxSampleSize } from "./params.ts";
export type { Uniform } from "./random.ts";
export type { GuardChoice, GuardRequest, GuardSuccess, GuardUpdate } from "./requests.ts";
export type { GuardRestriction } from "./restrictions.ts";
export { retrySchedule, retryTime } from "./retry.ts";
export type { RemovalReason, RemovedGuard } from "./sample.ts";
export type { GuardSnapshot } from "./snapshot.ts";
export {
  formatGuardState,
  GUARD_STATE_VERSION,
  type GuardState,
  type LoadedGuards,
  parseGuardState,
  readGuardState,
} from "./state.ts";
export type { GuardFault, GuardFaultProblem, StoredGuard, StoredSample } from "./stored-guard.ts";
export {
  canBeGuard,
  emptyGuardView,
  type GuardCandidate,
  type GuardView,
  type GuardViewOptions,
  guardView,
} from "./view.ts";
