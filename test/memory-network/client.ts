import { type ChannelManager, channelParams, layerChannelManager } from "@allium/channel";
import {
  type ClientCircuit,
  ClientCircuits,
  congestionParams,
  flowParams,
  type HopFailed,
  layerClientCircuits,
  layerSingle,
} from "@allium/circuit";
import { ConfluxManager, confluxParams, layerConflux } from "@allium/conflux";
import { Context, Duration, Effect, Layer, type Scope } from "effect";
import { TestClock } from "effect/testing";
import type { MemoryTorNetwork } from "./memory-tor-network.ts";
import type { MemoryRelay } from "./relay.ts";

/** The circuits of a client that knows the network by heart: for tests that say themselves which relays a circuit has. */
export interface PlainClient {
  readonly circuits: ClientCircuits["Service"];
  /** Links circuits. */
  readonly conflux: ConfluxManager["Service"];
  /** A circuit through these relays. */
  readonly build: (...path: ReadonlyArray<string | MemoryRelay>) => Effect.Effect<ClientCircuit, HopFailed>;
}

/** Makes a client at a host of the network, until the scope closes. */
export const makePlainClient = (
  network: MemoryTorNetwork,
  address?: string,
): Effect.Effect<PlainClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const param = (name: string): number | undefined => network.consensus().consensus.params.raw(name);
    const channels: Layer.Layer<ChannelManager> = layerChannelManager({
      local: () => ({ identity: undefined, addresses: [] }),
      ...channelParams(param, "client"),
    }).pipe(Layer.provide([network.transport(address), network.entropy(`client ${address}`)]));
    const layer = layerClientCircuits({ congestion: () => congestionParams(param, "exit") }).pipe(
      Layer.provideMerge(layerConflux({ params: () => confluxParams(param) })),
      Layer.provide(layerSingle({ role: "client", flowParams: () => flowParams(param) })),
      Layer.provide([channels, network.entropy(`circuits of client ${address}`)]),
    );
    const services = yield* Layer.build(Layer.fresh(layer));
    const circuits = Context.get(services, ClientCircuits);
    const relayOf = (hop: string | MemoryRelay) => (typeof hop === "string" ? network.relay(hop) : hop);
    const build: PlainClient["build"] = (...path) =>
      Effect.gen(function* () {
        const [first, ...rest] = path.map((hop) => relayOf(hop).hop);
        if (first === undefined) return yield* Effect.die(new Error("a circuit without hops"));
        const circuit = yield* circuits.create(first);
        for (const hop of rest) yield* circuit.extend(hop);
        return circuit;
      });
    return { circuits, conflux: Context.get(services, ConfluxManager), build };
  });

/**
 * Runs an effect while time passes, and not a moment longer than until it is done. What has not come about after `limit` is a defect:
 * the test waits for what never comes.
 */
export const whileTimePasses = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  limit: Duration.Input = "1 hour",
): Effect.Effect<A, E, R> =>
  Effect.raceFirst(
    effect,
    Effect.andThen(
      TestClock.adjust(limit),
      Effect.suspend(() => Effect.die(new Error(`not done after ${Duration.format(Duration.fromInputUnsafe(limit))}`))),
    ),
  );
