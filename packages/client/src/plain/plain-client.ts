import type { IpAddress } from "@allium/cell";
import { type Context, Stream } from "effect";
import { plainOpener, plainRunner, type StreamOpener } from "../sockets/opener.ts";
import type { BootstrapStatus, ClientEvent, TunnelInfo } from "../status.ts";
import type { ResolvedName, StreamOptions, TorClientService } from "../tor-client.ts";

/**
 * A Tor client for programs that know nothing of Effect: what `TorClientService` is, as promises that a signal gives up. They reject with a
 * `StreamOpenError`, or with the signal's reason.
 */
export interface PlainClient extends StreamOpener {
  /** Waits until streams can be opened. Rejects with a `BootstrapError` if that cannot be; what may pass is waited for. */
  readonly ready: (signal?: AbortSignal) => Promise<void>;
  /** Has an exit look up the addresses of a name. */
  readonly resolve: (
    name: string,
    options?: StreamOptions,
    signal?: AbortSignal,
  ) => Promise<ReadonlyArray<ResolvedName<IpAddress>>>;
  /** Has an exit look up the names of an address. */
  readonly reverse: (
    address: string,
    options?: StreamOptions,
    signal?: AbortSignal,
  ) => Promise<ReadonlyArray<ResolvedName<string>>>;
  /** The same client under a fresh identity: its streams share circuits with those of nobody else. */
  readonly isolated: () => Promise<PlainClient>;
  /** How far it has come. */
  readonly status: () => BootstrapStatus;
  /** The tunnels that there are, the oldest first. */
  readonly tunnels: () => ReadonlyArray<TunnelInfo>;
  /** The status now, and all that happens from here on, for whoever iterates; who is slow misses the oldest. */
  readonly events: () => AsyncIterable<ClientEvent>;
}

/** A client's service for programs that know nothing of Effect. @param context what its work runs under */
export const plainClient = (client: TorClientService, context: Context.Context<never>): PlainClient => {
  const run = plainRunner(context);
  return {
    ...plainOpener(client, context),
    ready: (signal) => run(client.ready, signal),
    resolve: (name, options, signal) => run(client.resolve(name, options), signal),
    reverse: (address, options, signal) => run(client.reverse(address, options), signal),
    isolated: async () => plainClient(await run(client.isolated), context),
    status: client.status,
    tunnels: client.tunnels,
    events: () => Stream.toAsyncIterableWith(client.events, context),
  };
};
