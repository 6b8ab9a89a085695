export { ConfluxViolation } from "./errors.ts";
export { type EndedLeg, fateOfSet, type SetFate } from "./fate-of-set.ts";
export { type AfterFailedLeg, afterFailedLeg } from "./handshake/failed-leg.ts";
export { type Finalized, type FinalizeInput, finalize } from "./handshake/finalize.ts";
export { InitiatorLeg, type InitiatorLegOptions, type InitiatorState } from "./handshake/initiator-leg.ts";
export {
  type InitiatorFacts,
  type LegFacts,
  type ResponderFacts,
  violationOf,
} from "./handshake/message-rules.ts";
export { ResponderLeg, type ResponderLegOptions, type ResponderState } from "./handshake/responder-leg.ts";
export { type LegStart, legStart, numbersOf, type SetNumbers } from "./handshake/set-numbers.ts";
export {
  type BeginOptions,
  type ConfluxConfig,
  ConfluxManager,
  ConfluxSchedulers,
  layer as layerConflux,
} from "./layer.ts";
export * from "./limits.ts";
export type { LinkedLeg, OutgoingSet } from "./manager/outgoing-set.ts";
export { isMultiplexed, multiplexedCommands } from "./multiplexed.ts";
export { NO_LEG } from "./no-leg.ts";
export { confluxParamTable } from "./param-table.ts";
export { type ConfluxParams, confluxParams, maxLegLaunches, maxPrebuiltSets } from "./params.ts";
export { RESUMPTION_PROTOCOL } from "./resumption-protocol.ts";
export { LegSelection } from "./schedule/leg-selection.ts";
export { type CircuitLeg, isReady, type LegView, legView, lowestRtt } from "./schedule/leg-view.ts";
export type { ConfluxScheduler, SelectionState } from "./schedule/scheduler.ts";
export { schedulerFor } from "./schedule/scheduler-for.ts";
export { cwndRtt, cwndSendable, lowRtt, minRtt, minRttLowMemory } from "./schedule/schedulers.ts";
export { OrderedReceiver, type OrderedReceiverOptions, type Received } from "./sequence/ordered-receiver.ts";
export { ReceiveSequence } from "./sequence/receive-sequence.ts";
export { ReorderQueue } from "./sequence/reorder-queue.ts";
export { type KeptTrain, ResendBuffer } from "./sequence/resend-buffer.ts";
export { SendSequence } from "./sequence/send-sequence.ts";
export { ConfluxSet } from "./set/conflux-set.ts";
export { type ConfluxRule, type ConfluxViolationName, violationTable } from "./violations.ts";
