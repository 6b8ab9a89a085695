export * from "./circuit-context.ts";
export * from "./congestion/index.ts";
export * from "./egress.ts";
export * from "./errors.ts";
export * from "./far-side.ts";
export * from "./flow/index.ts";
export * from "./hop.ts";
export * from "./ingress.ts";
export * from "./messages.ts";
export { RandomPool, randomPoolOf } from "./random-pool.ts";
export * from "./relay/extend.ts";
export * from "./relay/handshake.ts";
export {
  type CircuitCounters,
  type CircuitEnd,
  type CircuitMemory,
  type HandshakeKind,
  layer as layerRelayCircuits,
  type RelayCircuit,
  RelayCircuits,
  type RelayCircuitsConfig,
} from "./relay/relay-circuits.ts";
export * from "./stream-path.ts";
export * from "./streams/opener.ts";
export * from "./streams/stream.ts";
export * from "./streams/stream-reactors.ts";
export * from "./streams/stream-table.ts";
export type { StreamTableOptions } from "./streams/stream-table-options.ts";
