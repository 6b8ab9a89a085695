import { type Dial, type StreamOpener, TorSocket } from "../sockets/index.ts";
import type { StreamOptions } from "../tor-client.ts";

/** Which streams requests go through. */
export interface RequestStreams extends StreamOptions {
  /** Whether requests to two hosts never share a circuit: nobody can tell then by the exit that they are of one client. @default false */
  readonly isolateHosts?: boolean;
}

/** Where a request goes. */
export interface Origin {
  /** As in a URL: an IPv6 address may have its brackets. */
  readonly host: string;
  readonly port: number;
}

/** The stream for a request, as a socket that is being opened. */
export const openRequestStream = (client: StreamOpener, streams: RequestStreams, { host, port }: Origin): TorSocket => {
  const bare = host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
  const dial: Dial = (signal) => client.open({ host: bare, port }, optionsFor(streams, bare), signal);
  return new TorSocket(dial, client.clock === undefined ? {} : { clock: client.clock });
};

const optionsFor = ({ isolation, isolateHosts, family }: RequestStreams, host: string): StreamOptions => ({
  ...(family === undefined ? {} : { family }),
  ...(isolateHosts === true
    ? { isolation: JSON.stringify([isolation ?? "", canonical(host)]) }
    : isolation === undefined
      ? {}
      : { isolation }),
});

/** One host has one spelling. */
const canonical = (host: string): string => host.toLowerCase().replace(/\.$/, "");
