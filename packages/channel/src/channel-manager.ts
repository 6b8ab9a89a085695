import { DestroyReason } from "@allium/cell";
import { Cause, Context, Deferred, Effect, Exit, type Fiber, FiberSet, Layer, type Scope } from "effect";
import { type Channel, makeChannel } from "./channel.ts";
import { ChannelAcceptor } from "./channel-acceptor.ts";
import type { ChannelConfig, ChannelEnd, CreateRequest } from "./channel-contract.ts";
import { Dial } from "./channel-dialer.ts";
import { ChannelRegistry, isWanted } from "./channel-registry.ts";
import { Entropy } from "./entropy.ts";
import { ChannelLimit, ChannelsClosed } from "./errors.ts";
import type { ExpectedPeer } from "./handshake.ts";
import type { LinkIdentity } from "./link-identity.ts";
import { type LocalParty, type OpenError, type OpenedLink, openAsResponder } from "./open-channel.ts";
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
export type ChannelError = TransportError | OpenError | ChannelLimit | ChannelsClosed;

/** What happens to channels, for logs and metrics. It must not block. */
export interface ChannelObserver {
  readonly onOpen?: (channel: Channel) => void;
  readonly onEnd?: (channel: Channel, end: ChannelEnd) => void;
  /** An address could not be connected to, or a connection from it came to nothing. */
  readonly onRefused?: (remote: Endpoint, error: ChannelError) => void;
}

/** How the channels of a process behave. */
export interface ChannelManagerConfig extends ChannelConfig {
  /**
   * Asked for each connection: certificates are renewed while the process runs. A listener presents new ones from the
   * connection after the first that finds them on; `Listener.setIdentity` does so at once.
   */
  readonly local: () => LocalParty;
  /** Most incoming connections from one address that have not authenticated, TLS handshakes included. @default 100 */
  readonly maxPerAddress?: number;
  /** Most incoming connections altogether. @default the transport's */
  readonly maxConnections?: number;
  /**
   * Asked for each incoming connection, before TLS, whether one from this address is admitted: `undefined` refuses it, else it is
   * what is to be called, once, when the connection has authenticated as a relay or has ended. It must not block.
   * @default all are
   */
  readonly admit?: (address: string) => (() => void) | undefined;
  /** Most link handshakes of incoming connections under way at once; for one more the oldest is given up. @default 1000 */
  readonly maxLinkHandshakes?: number;
  readonly observer?: ChannelObserver;
}

/**
 * All channels of a process: one per peer is shared by all circuits, whoever opened it; incoming ones are accepted, bounded
 * per address, and closed with the manager's scope.
 */
export class ChannelManager extends Context.Service<
  ChannelManager,
  {
    /**
     * An open channel to the target: one that is there, one that is being opened, or a new one. Interrupting gives up the
     * waiting, not the channel: others may wait for it too.
     */
    readonly get: (target: ChannelTarget) => Effect.Effect<Channel, ChannelError>;
    /** Listens for channels with the identity of `config.local`, until the scope closes. */
    readonly listen: (endpoint: Endpoint) => Effect.Effect<Listener, TransportError, Scope.Scope>;
    /** From now on, and until the scope closes, circuits that peers ask for go to this function; it must not block. */
    readonly acceptCircuits: (accept: (request: CreateRequest) => void) => Effect.Effect<void, never, Scope.Scope>;
    /** The open channels. */
    readonly channels: () => ReadonlyArray<Channel>;
  }
>()("allium/channel/ChannelManager") {}

/** The channels of a process, closed with the layer. */
export const layer = (config: ChannelManagerConfig): Layer.Layer<ChannelManager, never, Transport | Entropy> =>
  Layer.effect(
    ChannelManager,
    Effect.gen(function* () {
      const transport = yield* Transport;
      const entropy = yield* Entropy;
      const fibers = yield* FiberSet.make<unknown, unknown>();
      const fork = yield* FiberSet.runtime(fibers)<never>();
      const channels = new Channels(config, { transport, entropy, fork });
      // Runs before the fibers are interrupted.
      yield* Effect.addFinalizer(() => Effect.sync(() => channels.close()));
      return ChannelManager.of({
        get: (target) => channels.get(target),
        listen: (endpoint) => channels.listen(endpoint),
        acceptCircuits: (accept) => channels.acceptCircuits(accept),
        channels: () => channels.registry.all(),
      });
    }),
  );

interface Services {
  readonly transport: Transport["Service"];
  readonly entropy: Entropy["Service"];
  readonly fork: (effect: Effect.Effect<unknown>) => Fiber.Fiber<unknown, unknown>;
}

/** A channel that is being opened, and those who wait for it. */
interface Opening {
  readonly key: string;
  readonly target: ChannelTarget;
  readonly dial: Dial;
  readonly result: Deferred.Deferred<Channel, ChannelError>;
  fiber: Fiber.Fiber<unknown, unknown> | undefined;
}

/** An incoming connection whose link handshake is under way. */
interface Responding {
  readonly connection: Connection;
  fiber: Fiber.Fiber<unknown, unknown> | undefined;
}

class Channels {
  readonly registry = new ChannelRegistry();
  private readonly config: ChannelManagerConfig;
  private readonly services: Services;
  private readonly acceptor: ChannelAcceptor;
  private readonly openings = new Map<string, Opening>();
  /** Incoming connections whose link handshake is under way, the oldest first. */
  private readonly handshakes = new Set<Responding>();
  private nextId = 1;
  private closed = false;
  private accept: ((request: CreateRequest) => void) | undefined;

  constructor(config: ChannelManagerConfig, services: Services) {
    this.config = config;
    this.services = services;
    this.acceptor = new ChannelAcceptor({
      transport: services.transport,
      local: config.local,
      maxPerAddress: config.maxPerAddress ?? DEFAULT_MAX_PER_ADDRESS,
      maxConnections: config.maxConnections,
      admit: config.admit,
      serve: (connection, identity, settled) => this.serve(connection, identity, settled),
      onRefused: this.onRefused,
    });
  }

  get(target: ChannelTarget): Effect.Effect<Channel, ChannelError> {
    return Effect.suspend(() => {
      if (this.closed) return Effect.fail(new ChannelsClosed());
      const there = this.registry.find(target, this.config.local().identity?.peer.ed25519Id);
      if (there !== undefined) return Effect.succeed(there);
      return Deferred.await((this.openings.get(keyOf(target)) ?? this.open(target)).result);
    });
  }

  listen(endpoint: Endpoint): Effect.Effect<Listener, TransportError, Scope.Scope> {
    return this.acceptor.listen(endpoint);
  }

  acceptCircuits(accept: (request: CreateRequest) => void): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        this.accept = accept;
      }),
      () =>
        Effect.sync(() => {
          if (this.accept === accept) this.accept = undefined;
        }),
    );
  }

  /** Opens and admits nothing any more. What is open ends with the fibers. */
  close(): void {
    this.closed = true;
    this.acceptor.close();
  }

  private readonly onRefused = (remote: Endpoint, error: ChannelError): void =>
    this.config.observer?.onRefused?.(remote, error);

  private open(target: ChannelTarget): Opening {
    const { transport, entropy, fork } = this.services;
    const dial = new Dial({ transport, local: this.config.local, onRefused: this.onRefused }, target);
    const opening: Opening = { key: keyOf(target), target, dial, result: Deferred.makeUnsafe(), fiber: undefined };
    this.openings.set(opening.key, opening);
    // In a fiber of the manager: others may wait for the same channel when this caller gives up.
    opening.fiber = fork(
      dial.open.pipe(
        Effect.provideService(Entropy, entropy),
        Effect.tapError((error) => Effect.sync(() => this.settle(opening, Exit.fail(error)))),
        Effect.flatMap((link) => this.run(link, true, opening)),
        Effect.ignore,
        logDefect,
        Effect.onExit((exit) =>
          Effect.sync(() => {
            dial.close();
            // Settled long ago, unless the attempt was interrupted, or met a bug.
            const isBug = Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause);
            this.settle(opening, isBug ? Exit.failCause(exit.cause) : Exit.fail(new ChannelsClosed()));
          }),
        ),
      ),
    );
    return opening;
  }

  private serve(connection: Connection, identity: LinkIdentity, settled: () => void): void {
    const { entropy, fork } = this.services;
    if (this.handshakes.size >= (this.config.maxLinkHandshakes ?? DEFAULT_MAX_LINK_HANDSHAKES)) this.dropOldest();
    const responding: Responding = { connection, fiber: undefined };
    this.handshakes.add(responding);
    responding.fiber = fork(
      openAsResponder(connection, identity, this.config.local().addresses).pipe(
        Effect.provideService(Entropy, entropy),
        Effect.tapError((error) => Effect.sync(() => this.onRefused(connection.remote, error))),
        Effect.flatMap((link) => {
          this.handshakes.delete(responding);
          if (link.established.peer !== undefined) settled();
          return this.run(link, false, undefined);
        }),
        Effect.ignore,
        logDefect,
        Effect.ensuring(
          Effect.sync(() => {
            this.handshakes.delete(responding);
            settled();
            connection.destroy();
          }),
        ),
      ),
    );
  }

  /** Who is about to finish has not been there for long: the oldest is the one least likely to. */
  private dropOldest(): void {
    for (const oldest of this.handshakes) {
      this.handshakes.delete(oldest);
      this.onRefused(oldest.connection.remote, new ChannelLimit({ limit: "linkHandshakes" }));
      return oldest.fiber?.interruptUnsafe();
    }
  }

  /** Runs a channel until it ends. Circuits can use it from the moment that it is registered. */
  private run(link: OpenedLink, initiated: boolean, opening: Opening | undefined): Effect.Effect<void> {
    const { config, registry } = this;
    return Effect.gen({ self: this }, function* () {
      const channel = yield* makeChannel({
        ...link,
        id: this.nextId++,
        initiated,
        anonymous: initiated && config.local().identity === undefined,
        config,
        onCreate: (request) => this.onCreate(request),
      });
      let end: ChannelEnd = "shutdown";
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          channel.close(end);
          registry.remove(channel);
          config.observer?.onEnd?.(channel, end);
        }),
      );
      registry.add(channel);
      config.observer?.onOpen?.(channel);
      this.settleAll(channel, opening);
      end = yield* channel.run();
    }).pipe(Effect.scoped, Effect.provideService(Entropy, this.services.entropy));
  }

  /** Gives a new channel to all who wait for one to its peer, whoever opened it. */
  private settleAll(channel: Channel, own: Opening | undefined): void {
    const { peer } = channel;
    // Collected first: those who are told may at once ask for another.
    const waiting = [...this.openings.values()].filter(
      (opening) => opening === own || (peer !== undefined && isWanted(peer, opening.target)),
    );
    for (const opening of waiting) {
      this.settle(opening, Exit.succeed(channel));
      // An attempt that has got somewhere goes on: its other end may rely on it, and give up its own for it.
      if (opening !== own && !opening.dial.connected) opening.fiber?.interruptUnsafe();
    }
  }

  private settle(opening: Opening, exit: Exit.Exit<Channel, ChannelError>): void {
    if (this.openings.get(opening.key) !== opening) return;
    this.openings.delete(opening.key);
    Deferred.doneUnsafe(opening.result, exit);
  }

  private onCreate(request: CreateRequest): void {
    if (this.accept === undefined) request.refuse(DestroyReason.HIBERNATING);
    else this.accept(request);
  }
}

/** A bug that ends one connection must not go unseen: nobody joins the fibers of connections. */
const logDefect = <A>(effect: Effect.Effect<A>): Effect.Effect<A> =>
  Effect.tapDefect(effect, (defect) => Effect.logError("a connection was ended by a bug", defect));

/**
 * Who shares an attempt: those who want the same relay at the same addresses. Somebody else who wants it elsewhere must not
 * be kept waiting by an address that does not answer.
 */
const keyOf = (target: ChannelTarget): string =>
  [
    target.ed25519Id?.toString("base64"),
    target.rsaId?.toString("base64"),
    ...target.endpoints.map(formatEndpoint),
  ].join(" ");

const DEFAULT_MAX_PER_ADDRESS = 100;

/** A handshake that is done in time takes a few round trips: a relay that is not attacked has a handful at once. */
const DEFAULT_MAX_LINK_HANDSHAKES = 1_000;
