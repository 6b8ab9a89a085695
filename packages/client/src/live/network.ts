import { type ChannelManager, channelParams, type Entropy, layerChannelManager, type Transport } from "@allium/channel";
import {
  type CircuitEnd,
  type ClientCircuit,
  type ClientCircuits,
  type CongestionParams,
  congestionParams,
  flowParams,
  layerClientCircuits,
  layerSingle,
} from "@allium/circuit";
import { type ConfluxManager, confluxParams, layerConflux } from "@allium/conflux";
import type { NetParams } from "@allium/netdoc";
import { type Context, type Effect, Layer, type Scope } from "effect";

/** The channels and circuits of a client, and what links circuits. */
export type NetworkServices = Context.Context<ChannelManager | ClientCircuits | ConfluxManager>;

/**
 * Builds them, until the scope closes.
 *
 * @param params the consensus's, as they are now
 */
export const makeNetwork = (
  params: () => NetParams,
  onCircuitEnd: (circuit: ClientCircuit, end: CircuitEnd) => void,
): Effect.Effect<NetworkServices, never, Transport | Entropy | Scope.Scope> => {
  const param = (name: string): number | undefined => params().raw(name);
  let congestion: { readonly from: NetParams; readonly params: CongestionParams } | undefined;
  return Layer.build(
    layerClientCircuits({
      // Asked twice for each hop, and the same until there is another consensus.
      congestion: () => {
        const from = params();
        if (congestion?.from !== from) congestion = { from, params: congestionParams(param, "exit") };
        return congestion.params;
      },
      onEnd: onCircuitEnd,
    }).pipe(
      // Nobody links circuits to a client.
      Layer.provideMerge(layerConflux({ params: () => confluxParams(param), accepts: () => false })),
      Layer.provide(layerSingle({ role: "client", flowParams: () => flowParams(param) })),
      Layer.provideMerge(
        layerChannelManager({
          ...channelParams(param, "client"),
          // A client has no identity, and tells nobody its address.
          local: () => ({ identity: undefined, addresses: [] }),
        }),
      ),
    ),
  );
};
