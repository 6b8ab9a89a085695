import type { IpAddress } from "@allium/cell";
import { Context, Data, type Effect } from "effect";

/** What a name resolves to in one family. */
export interface ResolvedAddresses {
  /** At least one, in the order of the answer. */
  readonly addresses: readonly [IpAddress, ...ReadonlyArray<IpAddress>];
  /** Seconds for which the answer holds: the shortest of its records. */
  readonly ttl: number;
}

/** What an address resolves to. */
export interface ResolvedHostName {
  /** Without the root's dot. */
  readonly name: string;
  /** Seconds for which the answer holds; `undefined` if the resolver cannot tell. */
  readonly ttl: number | undefined;
}

/**
 * A name or an address did not resolve. `transient`: asking again may help (the name server failed or did not answer);
 * otherwise there is nothing of this name and type. `code` is the platform's own word (`ENOTFOUND`, `ETIMEOUT`, …).
 */
export class ResolveError extends Data.TaggedError("ResolveError")<{
  readonly query: string;
  readonly transient: boolean;
  readonly code: string;
}> {
  override get message(): string {
    return `${this.query} did not resolve (${this.code})`;
  }
}

/**
 * Names: the one way to the DNS. Each call is one question to a name server, without cache, search domains or hosts file: an
 * exit asks the DNS alone, as `tor`'s does, so `localhost` is what the name server says it is.
 *
 * Layers: `NodeResolver.layer` (live) and `MemoryResolver` (tests). `ResolverCache` stands before it.
 */
export class Resolver extends Context.Service<
  Resolver,
  {
    /** The addresses of a name in one family (A or AAAA). Interruption gives the question up. */
    readonly resolve: (name: string, family: 4 | 6) => Effect.Effect<ResolvedAddresses, ResolveError>;
    /** The name of an address (PTR). Interruption gives the question up. */
    readonly reverse: (address: IpAddress) => Effect.Effect<ResolvedHostName, ResolveError>;
  }
>()("allium/relay/Resolver") {}
