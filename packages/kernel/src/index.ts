export { type LinkCounters, type LinkEnd, LinkEnded, type LinkReader } from "./inlet.ts";
export { Link, LinkClosed, type LinkWriter } from "./link.ts";
export {
  type Port,
  type Ports,
  Reactor,
  type ReactorOptions,
  type Readers,
  type WiredReactor,
  type Wiring,
  type Writers,
} from "./reactor.ts";
export {
  type GroupCause,
  GroupClosed,
  type GroupEnd,
  type ReactorError,
  ReactorGroup,
  type ReactorGroupOptions,
} from "./reactor-group.ts";
export { Signal } from "./signal.ts";
export type { TaskState } from "./task.ts";
export { TEARDOWN_DEADLINE } from "./timeouts.ts";
export {
  type GroupSnapshot,
  type LinkSnapshot,
  type PortSnapshot,
  type ReactorSnapshot,
  type RoutinesSnapshot,
  type SessionSnapshot,
  type SupervisorSnapshot,
  Topology,
  type TopologyRegistry,
  type TopologySnapshot,
} from "./topology.ts";
