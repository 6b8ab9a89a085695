import { Context, Effect, Exit, Layer, Scope } from "effect";
import {
  type Channel,
  type ChannelEnd,
  type ChannelError,
  ChannelManager,
  type ChannelManagerConfig,
  type ChannelTarget,
  DEFAULT_PADDING_PARAMS,
  type Endpoint,
  type LinkIdentity,
  layerChannelManager,
  layerEntropySeeded,
  type MemoryNetwork,
} from "../../src/index.ts";
import { makeIdentity } from "./identities.ts";

const NAMES = ["one", "two", "three"] as const;

/** The relays of the tests, by the order of their Ed25519 identities. */
export const [ALICE, BOB, CAROL] = NAMES.map((name, index) => makeIdentity(name, index)).sort((one, other) =>
  one.peer.ed25519Id.compare(other.peer.ed25519Id),
) as [LinkIdentity, LinkIdentity, LinkIdentity];

/** The same relay with certificates that were made at another time. */
export const renewed = (identity: LinkIdentity, now: number): LinkIdentity =>
  NAMES.map((name, index) => makeIdentity(name, index, now)).find((made) =>
    made.peer.ed25519Id.equals(identity.peer.ed25519Id),
  ) as LinkIdentity;

/** The channels of one host, and what was observed of them. */
export interface TestManager {
  readonly manager: ChannelManager["Service"];
  readonly opened: Array<Channel>;
  readonly ended: Array<ChannelEnd>;
  readonly refused: Array<readonly [Endpoint, ChannelError]>;
  readonly close: Effect.Effect<void>;
}

/** The channel manager of a host of the network: a relay with an identity, or a client. It ends with the scope, or earlier. */
export const makeManager = (
  network: MemoryNetwork.MemoryNetwork,
  host: string,
  identity: LinkIdentity | undefined,
  config: Partial<ChannelManagerConfig> = {},
) =>
  Effect.gen(function* () {
    const opened: Array<Channel> = [];
    const ended: Array<ChannelEnd> = [];
    const refused: Array<readonly [Endpoint, ChannelError]> = [];
    const scope = yield* Scope.fork(yield* Effect.scope);
    const context = yield* Layer.buildWithScope(
      Layer.fresh(
        layerChannelManager({
          local: () => ({ identity, addresses: identity === undefined ? [] : [host] }),
          padding: () => DEFAULT_PADDING_PARAMS,
          idleTimeoutMillis: () => 3_600_000,
          observer: {
            onOpen: (channel) => opened.push(channel),
            onEnd: (_channel, end) => ended.push(end),
            onRefused: (remote, error) => refused.push([remote, error]),
          },
          ...config,
        }).pipe(Layer.provide(network.host(host)), Layer.provide(layerEntropySeeded(`manager ${host}`))),
      ),
      scope,
    );
    return {
      manager: Context.get(context, ChannelManager),
      opened,
      ended,
      refused,
      close: Scope.close(scope, Exit.void),
    } satisfies TestManager;
  });

/** Where relays of the tests listen. */
export const PORT = 9001;

/** A relay of the tests, listening. */
export const makeRelay = (
  network: MemoryNetwork.MemoryNetwork,
  host: string,
  identity: LinkIdentity,
  config: Partial<ChannelManagerConfig> = {},
) => Effect.tap(makeManager(network, host, identity, config), ({ manager }) => manager.listen({ host, port: PORT }));

/** How a relay at these hosts is wanted. */
export const targetOf = (identity: LinkIdentity, ...hosts: ReadonlyArray<string>): ChannelTarget => ({
  ...identity.peer,
  endpoints: hosts.map((host) => ({ host, port: PORT })),
});
