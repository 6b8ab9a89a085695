import type { Destination, HostName, IpAddress } from "@allium/cell";
import type { DestinationError, ProxyProtocolError } from "./errors.ts";
import type { StreamIsolation } from "./isolation.ts";

/** Which addresses of a name an application can do with, or would rather have. */
export type FamilyPreference = "any" | "ipv4-only" | "ipv6-only" | "ipv4-preferred" | "ipv6-preferred";

interface RequestBase {
  readonly _tag: "Request";
  /** Which addresses of a name will do. */
  readonly family: FamilyPreference;
  /** What the application said about streams that may share a circuit. */
  readonly isolation: StreamIsolation;
  /**
   * What came behind the request: the first bytes for the destination, sent before the application knows whether it is reached
   * (socks-extensions, "Optimistic data"). Whatever comes from now on is for the destination too.
   */
  readonly leftover: Buffer;
}

/** An application wants a stream. */
export interface ConnectRequest extends RequestBase {
  readonly kind: "connect";
  readonly destination: Destination;
  /** 1 to 65535. */
  readonly port: number;
  /**
   * Whether the application gave a name or an address. Who gives an address over SOCKS may have asked a name server for it outside of
   * the tunnel: a thing to warn of (`SafeSocks` and the warning of `tor`).
   */
  readonly given: "name" | "address";
  /** It authenticates in a way that still isolates, but that proposal 365 wants replaced: a thing to warn of. */
  readonly obsoleteAuthorization: boolean;
}

/** An application wants the address of a name (socks-extensions, RESOLVE). Addresses of addresses are answered at once. */
export interface ResolveRequest extends RequestBase {
  readonly kind: "resolve";
  readonly destination: HostName;
}

/** An application wants the name of an address (socks-extensions, RESOLVE_PTR). */
export interface ResolvePtrRequest extends RequestBase {
  readonly kind: "resolvePtr";
  readonly destination: IpAddress;
}

/** What a negotiation comes to when it goes well. */
export type ProxyRequest = ConnectRequest | ResolveRequest | ResolvePtrRequest;

/** What is to be done. */
export type ProxyEvent =
  /** Write this, and carry on. */
  | { readonly _tag: "Reply"; readonly bytes: Buffer }
  /** See to it, and write what `succeeded` or `failed` of the negotiation say. The last event. */
  | ProxyRequest
  /** The application has its answer: write it, and close when it is written. The last event. */
  | { readonly _tag: "Answered"; readonly bytes: Buffer }
  /** Write this, which may be nothing, and close when it is written. The last event. */
  | { readonly _tag: "Rejected"; readonly error: ProxyProtocolError | DestinationError; readonly bytes: Buffer };

/** What a listener decides. */
export interface ProxyOptions {
  /** Of two ways to authenticate take none rather than a user name and password: `PreferSOCKSNoAuth`. @default false */
  readonly preferNoAuth?: boolean;
  /** Whether SOCKS5 replies may have Tor's own codes: `ExtendedErrors`. @default true */
  readonly extendedErrors?: boolean;
  /** Who answers, for the fields Via and Server of HTTP. @default "allium" */
  readonly software?: string;
}
