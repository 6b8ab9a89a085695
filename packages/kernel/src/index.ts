export {
  Link,
  LinkClosed,
  type LinkCounters,
  type LinkEnd,
  LinkEnded,
  type LinkReader,
  type LinkWriter,
} from "./link.ts";
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
export { TEARDOWN_DEADLINE } from "./timeouts.ts";
