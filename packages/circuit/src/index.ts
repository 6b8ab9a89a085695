export * from "./circuit-context.ts";
export type { CircuitEnd } from "./circuit-core.ts";
export type { CircuitMemory } from "./circuit-memory.ts";
export type { ClientCircuit, OpenStream } from "./client/client-circuit.ts";
export {
  ClientCircuits,
  type ClientCircuitsConfig,
  layer as layerClientCircuits,
} from "./client/client-circuits.ts";
export * from "./client/errors.ts";
export * from "./client/hop-handshake.ts";
export * from "./conflux.ts";
export * from "./congestion/index.ts";
export * from "./egress.ts";
export * from "./errors.ts";
export * from "./far-side.ts";
export * from "./flow/index.ts";
export * from "./hop.ts";
export * from "./ingress.ts";
export * from "./messages.ts";
export { RandomPool, randomPoolOf } from "./random-pool.ts";
export type { CircuitRefusal, HandshakeKind } from "./relay/circuit-acceptor.ts";
export { type EndingOpener, isEndingOpener } from "./relay/ending-opener.ts";
export * from "./relay/extend.ts";
export * from "./relay/handshake.ts";
export {
  type HandshakeRefused,
  type HandshakeService,
  Handshakes,
  handshakesInline,
} from "./relay/handshake-service.ts";
export type { RelayCircuit } from "./relay/relay-circuit.ts";
export {
  type CircuitCounters,
  DEFAULT_HANDSHAKE_LIMITS,
  DEFAULT_MAX_CIRCUITS,
  layer as layerRelayCircuits,
  RelayCircuits,
  type RelayCircuitsConfig,
} from "./relay/relay-circuits.ts";
export * from "./stream-path.ts";
export { Alarm } from "./streams/alarm.ts";
export * from "./streams/opener.ts";
export * from "./streams/stream.ts";
export * from "./streams/stream-reactors.ts";
export * from "./streams/stream-table.ts";
export type { StreamTableOptions } from "./streams/stream-table-options.ts";
