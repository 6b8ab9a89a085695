import type { IpAddress } from "@allium/cell";
import type { Connection } from "@allium/channel";
import { Context, type Effect, type Stream } from "effect";
import type { Socket } from "effect/socket";
import type { BootstrapError, ClientFailed, ConnectError } from "./errors.ts";
import type { FamilyPreference } from "./proxy/index.ts";
import type { BootstrapStatus, ClientEvent, TunnelInfo } from "./status.ts";

/** Where a stream shall lead: a name, which only the exit resolves, or a numeric address. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** What a stream or a look-up may ask for. */
export interface StreamOptions {
  /** Two streams with different texts never share a circuit. Never logged. @default "" */
  readonly isolation?: string;
  /** Which addresses of a name will do. @default "any" */
  readonly family?: FamilyPreference;
}

/** A stream that is open. */
export interface TorStream {
  /** It is the caller's, to destroy too. If the stream breaks, its failure is found behind the last byte that came. */
  readonly connection: Connection;
  /** The address that the exit has connected to, if it says so. */
  readonly address: IpAddress | undefined;
  /** The tunnel that it goes through, as `tunnels` lists it. */
  readonly tunnel: number;
}

/** One answer to a look-up. */
export interface ResolvedName<A> {
  readonly value: A;
  /** For how many seconds it may be kept. */
  readonly ttl: number;
}

/** What a Tor client can be asked for. */
export interface TorClientService {
  /** Waits until circuits can be built and one was. Fails if that cannot be; what may pass is waited for. */
  readonly ready: Effect.Effect<void, BootstrapError>;
  /** Waits until the client has failed as a whole. Whatever passes is no failure. */
  readonly failed: Effect.Effect<never, ClientFailed>;
  /**
   * Opens a stream. The attempts are repeated, over other exits too, as long as no byte can have been lost by it. Interrupting gives
   * it up.
   */
  readonly open: (target: Target, options?: StreamOptions) => Effect.Effect<TorStream, ConnectError>;
  /**
   * A stream as a socket of Effect's: whoever acquires its reader opens it. A stream that is not to be had is a `SocketOpenError`, whose
   * cause is the `ConnectError`.
   */
  readonly connect: (target: Target, options?: StreamOptions) => Socket.Socket;
  /** Has an exit look up the addresses of a name. */
  readonly resolve: (
    name: string,
    options?: StreamOptions,
  ) => Effect.Effect<ReadonlyArray<ResolvedName<IpAddress>>, ConnectError>;
  /** Has an exit look up the names of an address. */
  readonly reverse: (
    address: string,
    options?: StreamOptions,
  ) => Effect.Effect<ReadonlyArray<ResolvedName<string>>, ConnectError>;
  /** The same client under a fresh identity: its streams share circuits with those of nobody else. */
  readonly isolated: Effect.Effect<TorClientService>;
  /** How far it has come. */
  readonly status: () => BootstrapStatus;
  /** The tunnels that there are, the oldest first. */
  readonly tunnels: () => ReadonlyArray<TunnelInfo>;
  /**
   * The status now, and all that happens from here on. A reader that is slow misses what is older than the newest 256 events, and
   * nobody waits for it.
   */
  readonly events: Stream.Stream<ClientEvent>;
}

/**
 * A Tor client. It connects, and finds out about the network, by itself, from when it is made until its scope closes; whoever asks for
 * a stream before it is ready waits.
 */
export class TorClient extends Context.Service<TorClient, TorClientService>()("allium/client/TorClient") {}
