import { DestroyReason } from "@allium/cell";
import { Context, Deferred, Effect, Exit, FiberSet, Layer, type Scope } from "effect";
import { type Channel, type ChannelConfig, type ChannelEnd, type CreateRequest, makeChannel } from "./channel.ts";
import { Entropy } from "./entropy.ts";
import { ChannelLimit, ChannelTimeout } from "./errors.ts";
import type { ExpectedPeer } from "./handshake.ts";
import type { LinkIdentity, PeerIdentity } from "./link-identity.ts";
import { type LocalParty, type OpenError, type OpenedLink, openAsInitiator, openAsResponder } from "./open-channel.ts";
import { CONNECT_TIMEOUT } from "./timeouts.ts";
import {
  type Connection,
  type Endpoint,
  formatEndpoint,
  type Listener,
  Transport,
  type TransportError,
} from "./transport.ts";

/** A relay that a channel is wanted to: its identities, as far as known, and where it listens, in order of preference. */
export interface ChannelTarget extends ExpectedPeer {
  readonly endpoints: ReadonlyArray<Endpoint>;
}

/** Why there is no channel to a target. */
export type ChannelError = TransportError | OpenError | ChannelLimit;

/** What happens to channels, for logs and metrics. It must not block. */
export interface ChannelObserver {
  readonly onOpen?: (channel: Channel) => void;
  readonly onEnd?: (channel: Channel, end: ChannelEnd) => void;
  readonly onRefused?: (remote: Endpoint, error: ChannelError) => void;
}

/** How the channels of a process behave. */
export interface ChannelManagerConfig extends ChannelConfig {
  /** Asked for each handshake: certificates are renewed while the process runs. */
  readonly local: () => LocalParty;
  /** Most incoming channels from one address that have not authenticated, handshakes under way included. @default 100 */
  readonly maxPerAddress?: number;
  readonly observer?: ChannelObserver;
}

/**
 * All channels of a process: one per peer is shared by all circuits, whoever opened it; incoming ones are accepted, bounded
 * per address, and closed with the manager's scope.
 */
export class ChannelManager extends Context.Service<
  ChannelManager,
  {
    /** An open channel to the target: one that is there, one that is being opened, or a new one. */
    readonly get: (target: ChannelTarget) => Effect.Effect<Channel, ChannelError>;
    /** Listens for channels with the identity of `config.local`, until the scope closes. */
    readonly listen: (endpoint: Endpoint) => Effect.Effect<Listener, TransportError, Scope.Scope>;
    /** From now on, and until the scope closes, circuits that peers ask for go to this function; it must not block. */
    readonly acceptCircuits: (accept: (request: CreateRequest) => void) => Effect.Effect<void, never, Scope.Scope>;
    /** The open channels. */
    readonly channels: () => ReadonlyArray<Channel>;
  }
>()("allium/channel/ChannelManager") {}

const keyOf = (peer: PeerIdentity): string => peer.ed25519Id.toString("base64");

/** How a target is shared while its channel is being opened. */
const targetKey = (target: ChannelTarget): string =>
  target.ed25519Id?.toString("base64") ??
  target.rsaId?.toString("hex") ??
  target.endpoints.map(formatEndpoint).join(" ");

const matches = (peer: PeerIdentity, target: ChannelTarget): boolean =>
  target.ed25519Id !== undefined
    ? target.ed25519Id.equals(peer.ed25519Id) && (target.rsaId?.equals(peer.rsaId) ?? true)
    : (target.rsaId?.equals(peer.rsaId) ?? false);

const make = Effect.fnUntraced(function* (config: ChannelManagerConfig) {
  const transport = yield* Transport;
  const entropy = yield* Entropy;
  const fibers = yield* FiberSet.make<unknown, unknown>();
  const fork = yield* FiberSet.runtime(fibers)<never>();
  const open = new Set<Channel>();
  const byPeer = new Map<string, Set<Channel>>();
  const opening = new Map<string, Deferred.Deferred<Channel, ChannelError>>();
  const perAddress = new Map<string, number>();
  const maxPerAddress = config.maxPerAddress ?? DEFAULT_MAX_PER_ADDRESS;
  let nextId = 1;
  let acceptor: ((request: CreateRequest) => void) | undefined;

  const onCreate = (request: CreateRequest): void => {
    if (acceptor === undefined) request.refuse(DestroyReason.HIBERNATING);
    else acceptor(request);
  };

  const register = (channel: Channel): void => {
    open.add(channel);
    if (channel.peer !== undefined) {
      const key = keyOf(channel.peer);
      const known = byPeer.get(key);
      if (known === undefined) byPeer.set(key, new Set([channel]));
      else known.add(channel);
    }
    config.observer?.onOpen?.(channel);
  };

  const unregister = (channel: Channel): void => {
    open.delete(channel);
    if (channel.peer === undefined) return;
    const key = keyOf(channel.peer);
    const known = byPeer.get(key);
    known?.delete(channel);
    if (known?.size === 0) byPeer.delete(key);
  };

  /** Runs a channel until it ends; `started` is told once circuits can use it. */
  const runChannel = (link: OpenedLink, initiated: boolean, started: (channel: Channel) => void) =>
    Effect.gen(function* () {
      const channel = yield* makeChannel({ ...link, id: nextId++, initiated, config, onCreate });
      register(channel);
      const ended = channel.run().pipe(Effect.ensuring(Effect.sync(() => unregister(channel))));
      started(channel);
      const end = yield* ended;
      config.observer?.onEnd?.(channel, end);
    }).pipe(Effect.scoped, Effect.provideService(Entropy, entropy));

  /** Connects to the target's addresses in turn; the connection is destroyed if the handshake fails. */
  const connect = Effect.fnUntraced(function* (target: ChannelTarget): Effect.fn.Return<OpenedLink, ChannelError> {
    let failure: ChannelError = new ChannelLimit({ limit: "channels" });
    for (const endpoint of target.endpoints) {
      const attempt = yield* Effect.exit(
        transport.connect(endpoint, { tls: true }).pipe(
          Effect.timeoutOrElse({
            duration: CONNECT_TIMEOUT,
            orElse: () => Effect.fail(new ChannelTimeout({ step: "connect" })),
          }),
          Effect.flatMap((connection) =>
            openAsInitiator(connection, config.local(), target).pipe(
              Effect.provideService(Entropy, entropy),
              Effect.onExit((exit) => (Exit.isFailure(exit) ? Effect.sync(() => connection.destroy()) : Effect.void)),
            ),
          ),
        ),
      );
      if (Exit.isSuccess(attempt)) return attempt.value;
      const error = Exit.findErrorOption(attempt);
      if (error._tag === "None") return yield* attempt;
      failure = error.value;
      config.observer?.onRefused?.(endpoint, failure);
    }
    return yield* Effect.fail(failure);
  });

  const existing = (target: ChannelTarget): Channel | undefined => {
    const candidates =
      target.ed25519Id === undefined ? open : (byPeer.get(target.ed25519Id.toString("base64")) ?? NO_CHANNELS);
    let best: Channel | undefined;
    for (const channel of candidates) {
      if (channel.closed || channel.peer === undefined || !matches(channel.peer, target)) continue;
      // Of two that were opened at once both ends take the one with more circuits, or the older: soon one lies idle.
      if (best === undefined || channel.circuitCount > best.circuitCount) best = channel;
    }
    return best;
  };

  const get = (target: ChannelTarget): Effect.Effect<Channel, ChannelError> =>
    Effect.suspend(() => {
      const there = existing(target);
      if (there !== undefined) return Effect.succeed(there);
      const key = targetKey(target);
      const pending = opening.get(key);
      if (pending !== undefined) return Deferred.await(pending);
      const deferred = Deferred.makeUnsafe<Channel, ChannelError>();
      opening.set(key, deferred);
      // In a fiber of the manager: others may wait for the same channel when this caller gives up.
      fork(
        connect(target).pipe(
          Effect.matchCauseEffect({
            onSuccess: (link) =>
              runChannel(link, true, (channel) => {
                opening.delete(key);
                Deferred.doneUnsafe(deferred, Exit.succeed(channel));
              }),
            onFailure: (cause) =>
              Effect.sync(() => {
                opening.delete(key);
                Deferred.doneUnsafe(deferred, Exit.failCause(cause));
              }),
          }),
        ),
      );
      return Deferred.await(deferred);
    });

  const countAddress = (address: string, by: number): number => {
    const count = (perAddress.get(address) ?? 0) + by;
    if (count === 0) perAddress.delete(address);
    else perAddress.set(address, count);
    return count;
  };

  const serve = (connection: Connection, identity: LinkIdentity, addresses: ReadonlyArray<string>) => {
    const address = connection.remote.host;
    // Counted until the channel ends, or authenticates as a relay.
    let counted = true;
    const uncount = () => {
      if (counted) countAddress(address, -1);
      counted = false;
    };
    if (countAddress(address, 1) > maxPerAddress) {
      uncount();
      connection.destroy();
      config.observer?.onRefused?.(connection.remote, new ChannelLimit({ limit: "channelsPerAddress" }));
      return;
    }
    fork(
      openAsResponder(connection, identity, addresses).pipe(
        Effect.provideService(Entropy, entropy),
        Effect.matchEffect({
          onSuccess: (link) => {
            if (link.established.peer !== undefined) uncount();
            return runChannel(link, false, () => {});
          },
          onFailure: (error) => Effect.sync(() => config.observer?.onRefused?.(connection.remote, error)),
        }),
        Effect.ensuring(
          Effect.sync(() => {
            uncount();
            connection.destroy();
          }),
        ),
      ),
    );
  };

  const listen = (endpoint: Endpoint) =>
    Effect.suspend(() => {
      const { identity } = config.local();
      if (identity === undefined) return Effect.die(new Error("a client does not listen for channels"));
      return transport.listen(endpoint, {
        tls: identity.tls,
        onConnection: (connection) => {
          const local = config.local();
          if (local.identity === undefined) connection.destroy();
          else serve(connection, local.identity, local.addresses);
        },
      });
    });

  return ChannelManager.of({
    get,
    listen,
    acceptCircuits: (accept) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          acceptor = accept;
        }),
        () =>
          Effect.sync(() => {
            acceptor = undefined;
          }),
      ),
    channels: () => [...open],
  });
});

/** The channels of a process, closed with the layer. */
export const layer = (config: ChannelManagerConfig): Layer.Layer<ChannelManager, never, Transport | Entropy> =>
  Layer.effect(ChannelManager, make(config));

const NO_CHANNELS: ReadonlySet<Channel> = new Set();

const DEFAULT_MAX_PER_ADDRESS = 100;
