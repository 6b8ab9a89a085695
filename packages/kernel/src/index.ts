export { type Generational, GenerationMap, nextGeneration } from "./generation.ts";
export { type LinkCounters, type LinkEnd, LinkEnded, type LinkReader } from "./inlet.ts";
export { Link, LinkClosed, type LinkWriter } from "./link.ts";
export {
  type Command,
  Mailbox,
  type MailboxCounters,
  type MailboxOptions,
  type MailboxPolicies,
  type MailboxPolicy,
  type SendError,
  type Sent,
  Undeliverable,
} from "./mailbox.ts";
export { Memory, type Reclamation } from "./memory.ts";
export { MemoryAccount } from "./memory-account.ts";
export {
  LOW_WATER,
  type MemoryHolder,
  type MemoryKind,
  type MemoryLimits,
  type MemoryPolicy,
  MemoryQuota,
  type MemorySum,
  type Reclaimed,
} from "./memory-quota.ts";
export {
  type Metric,
  type MetricFamily,
  type MetricSample,
  Metrics,
  type MetricsRegistry,
  type MetricType,
} from "./metrics.ts";
export { QueueAge } from "./queue-age.ts";
export { QuietLog } from "./quiet-log.ts";
export {
  type Port,
  type Ports,
  Reactor,
  type ReactorOptions,
  type Readers,
  type Turn,
  type Turns,
  type TurnsOptions,
  type WiredReactor,
  type Wiring,
  type Writers,
} from "./reactor.ts";
export {
  type GroupCause,
  GroupClosed,
  type GroupEnd,
  type GroupHost,
  type ReactorError,
  ReactorGroup,
  type ReactorGroupOptions,
} from "./reactor-group.ts";
export {
  type CancelledBy,
  type Disconnecting,
  isDisconnecting,
  LocalReject,
  ProtocolReject,
  Routine,
  type RoutineEnd,
  type RoutineError,
  type Session,
  StreamClosed,
} from "./routine.ts";
export {
  DuplicateSession,
  Routines,
  RoutinesClosed,
  type RoutinesOptions,
  type SessionHandle,
  type SessionReport,
} from "./routines.ts";
export { Signal } from "./signal.ts";
export type {
  GroupSnapshot,
  LinkSnapshot,
  PortSnapshot,
  ReactorSnapshot,
  RoutinesSnapshot,
  SessionSnapshot,
  SupervisorSnapshot,
  TopologySnapshot,
} from "./snapshot.ts";
export {
  Supervisor,
  type SupervisorCause,
  SupervisorClosed,
  type SupervisorEnd,
  type SupervisorOptions,
  TaskNameTaken,
} from "./supervisor.ts";
export {
  type RestartLimits,
  type RestartOptions,
  type Task,
  type TaskFailed,
  type TaskHandle,
  TaskPolicy,
  type TaskState,
} from "./task.ts";
export {
  MAX_RESTARTS,
  RESTART_SCHEDULE,
  RESTART_WINDOW,
  ROUTINE_RELEASE_DEADLINE,
  TASK_STOP_DEADLINE,
  TEARDOWN_DEADLINE,
} from "./timeouts.ts";
export { Topology, type TopologyRegistry } from "./topology.ts";
