export * from "./channel.ts";
export type { ChannelCounters } from "./channel-activity.ts";
export * from "./channel-contract.ts";
export {
  type ChannelError,
  ChannelManager,
  type ChannelManagerConfig,
  type ChannelObserver,
  type ChannelTarget,
  layer as layerChannelManager,
} from "./channel-manager.ts";
export { channelParams } from "./channel-params.ts";
export { connectionPair, type PairedConnection } from "./connection-pair.ts";
export { Entropy, layer as layerEntropy, layerSeeded as layerEntropySeeded } from "./entropy.ts";
export * from "./errors.ts";
export * from "./handshake.ts";
export * from "./inbox.ts";
export * from "./link-identity.ts";
export * from "./open-channel.ts";
export * from "./outbox.ts";
export * from "./padding.ts";
export { releaseBytes, takeSlab } from "./slab-pool.ts";
export * from "./train.ts";
export * from "./transport.ts";
export * as MemoryNetwork from "./transport-memory.ts";
export * as NodeTransport from "./transport-node.ts";
export { WrappedConnection } from "./wrapped-connection.ts";
