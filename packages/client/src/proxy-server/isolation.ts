import type { ProxyRequest, StreamIsolation } from "../proxy/index.ts";

/** By what the streams of a listener are kept apart: two that differ in one of these never share a circuit. */
export interface IsolationFlags {
  /** The address of the application (torrc `IsolateClientAddr`). @default true */
  readonly clientAddress?: boolean;
  /** The user name and password, or what else it says for this purpose (torrc `IsolateSOCKSAuth`). @default true */
  readonly credentials?: boolean;
  /** SOCKS4, SOCKS5, HTTP CONNECT or DNS (torrc `IsolateClientProtocol`). @default false */
  readonly protocol?: boolean;
  /** The name or address of the destination (torrc `IsolateDestAddr`). @default false */
  readonly destination?: boolean;
  /** The port of the destination (torrc `IsolateDestPort`). @default false */
  readonly port?: boolean;
}

/** What is known of a stream that is asked for. */
export interface IsolatedRequest {
  /** Which listener it came to: streams of two never share a circuit. */
  readonly listener: string;
  /** The address of the application. */
  readonly client: string;
  readonly isolation: StreamIsolation;
  readonly destination: string;
  /** 0 for a look-up. */
  readonly port: number;
}

/** The part of {@link IsolatedRequest} that a request of the proxy port tells. */
export const isolatedPart = (request: ProxyRequest): Pick<IsolatedRequest, "isolation" | "destination" | "port"> => ({
  isolation: request.isolation,
  destination: request.destination.address,
  port: request.kind === "connect" ? request.port : 0,
});

/** The text that a stream is isolated by, see `StreamOptions`. Of two streams it is the same if and only if they may share a circuit. */
export const isolationKey = (
  { listener, client, isolation, destination, port }: IsolatedRequest,
  flags: IsolationFlags,
): string =>
  JSON.stringify([
    listener,
    (flags.clientAddress ?? true) ? client : "",
    (flags.credentials ?? true) ? isolation.credentials : "",
    flags.protocol === true ? isolation.protocol : "",
    flags.destination === true ? destination : "",
    flags.port === true ? port : 0,
  ]);
