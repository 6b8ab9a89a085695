import { type MemoryNetwork, Transport } from "@allium/channel";
import { Context, Effect, Layer } from "effect";

/** The transport of a host on a network in memory. */
export const transportOf = (network: MemoryNetwork.MemoryNetwork, host: string) =>
  Effect.map(Layer.build(network.host(host)), (context) => Context.get(context, Transport));
