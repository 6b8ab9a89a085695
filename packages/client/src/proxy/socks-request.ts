import type { Destination } from "@allium/cell";
import type { ConnectRequest, ProxyEvent, ResolveRequest } from "./events.ts";
import type { ProxyInput, ProxySpeaker } from "./speaker.ts";

/** CONNECT, in either version of SOCKS. */
export const connectRequest = (
  input: ProxyInput,
  asked: Pick<ConnectRequest, "family" | "isolation" | "destination" | "port" | "given">,
): ConnectRequest => ({
  _tag: "Request",
  kind: "connect",
  ...asked,
  obsoleteAuthorization: false,
  leftover: input.take(),
});

/** RESOLVE, in either version of SOCKS (socks-extensions, "Name lookup"). An address is its own address: it is answered at once. */
export const resolveRequest = (
  speaker: ProxySpeaker,
  input: ProxyInput,
  { destination, ...asked }: Pick<ResolveRequest, "family" | "isolation"> & { readonly destination: Destination },
): ProxyEvent =>
  destination.family === "name"
    ? { _tag: "Request", kind: "resolve", ...asked, destination, leftover: input.take() }
    : { _tag: "Answered", bytes: speaker.succeeded(destination, 0) };
