export { readDestination } from "./destination.ts";
export * from "./dns.ts";
export * from "./errors.ts";
export type {
  ConnectRequest,
  FamilyPreference,
  ProxyEvent,
  ProxyOptions,
  ProxyRequest,
  ResolvePtrRequest,
  ResolveRequest,
} from "./events.ts";
export type { ProxyProtocol, StreamIsolation } from "./isolation.ts";
export { ProxyNegotiation } from "./negotiation.ts";
export {
  type ClientFailure,
  type FailureReply,
  type ProxyFailure,
  replyTo,
  Socks4Reply,
  Socks5Reply,
} from "./replies.ts";
