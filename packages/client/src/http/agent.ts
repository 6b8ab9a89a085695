import * as http from "node:http";
import * as https from "node:https";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { type StreamOpener, TorSocket } from "../sockets/index.ts";
import { openRequestStream, type RequestStreams } from "./streams.ts";
import { KEEP_ALIVE_MILLIS } from "./timeouts.ts";

/** How agents are made. */
export interface TorAgentOptions extends RequestStreams {
  /** What the platform's agents can be told: `maxSockets`, `ca`, … What would lead around Tor is left out. @default keepAlive is on */
  readonly agent?: Omit<https.AgentOptions, "proxyEnv" | "socketPath" | "localAddress" | "lookup" | "family">;
}

/** Agents whose requests go through Tor; most libraries take such a pair. Their connections are shared by none but themselves. */
export interface TorAgent {
  /** For `http:` URLs. */
  readonly http: http.Agent;
  /** For `https:` URLs. */
  readonly https: https.Agent;
  /** Closes their connections. They can be used again. */
  readonly destroy: () => void;
}

/**
 * Agents for `node:http` and `node:https`, and for the libraries that stand on them. Names are resolved by the exit. Aborting a request,
 * or its timeout, gives up the stream that is being opened for it too.
 *
 * A stream that is not to be had is the request's `error`: a `StreamOpenError`, with a `code`.
 */
export const createAgent = (client: StreamOpener, options: TorAgentOptions = {}): TorAgent => {
  const { agent, ...streams } = options;
  // An agent that was told of a proxy would ask that.
  const settings = { keepAlive: true, ...agent, proxyEnv: undefined };
  const agents = {
    http: new TorHttpAgent(client, streams, settings),
    https: new TorHttpsAgent(client, streams, settings),
  };
  const destroy = () => {
    agents.http.destroy();
    agents.https.destroy();
  };
  return { ...agents, destroy };
};

class TorHttpAgent extends http.Agent {
  declare readonly options: http.AgentOptions;
  private readonly client: StreamOpener;
  private readonly streams: RequestStreams;

  constructor(client: StreamOpener, streams: RequestStreams, settings: http.AgentOptions) {
    super(settings);
    this.client = client;
    this.streams = streams;
  }

  override createConnection(options: http.ClientRequestArgs): Duplex {
    return connect(this.client, this.streams, options);
  }

  override keepSocketAlive(socket: Duplex): boolean {
    return keepIdle(this.options, () => super.keepSocketAlive(socket) as unknown as boolean, socket);
  }

  override reuseSocket(socket: Duplex, request: http.ClientRequest): void {
    leaveIdle(this.options, socket);
    super.reuseSocket(socket, request);
  }
}

class TorHttpsAgent extends https.Agent {
  private readonly client: StreamOpener;
  private readonly streams: RequestStreams;

  constructor(client: StreamOpener, streams: RequestStreams, settings: https.AgentOptions) {
    super(settings);
    this.client = client;
    this.streams = streams;
  }

  override createConnection(options: https.RequestOptions): Duplex {
    const socket = connect(this.client, this.streams, options);
    // The platform's own, with its cache of sessions: it speaks TLS over the socket that it is given, and checks the certificate.
    const secured = super.createConnection({ ...options, socket } as https.RequestOptions) as TLSSocket;
    if (options.timeout !== undefined) secured.setTimeout(options.timeout);
    return secured;
  }

  override keepSocketAlive(socket: Duplex): boolean {
    return keepIdle(this.options, () => super.keepSocketAlive(socket) as unknown as boolean, socket);
  }

  override reuseSocket(socket: Duplex, request: http.ClientRequest): void {
    leaveIdle(this.options, socket);
    super.reuseSocket(socket, request);
  }
}

const connect = (client: StreamOpener, streams: RequestStreams, options: http.ClientRequestArgs): TorSocket => {
  if (options.socketPath) return new TorSocket(() => Promise.reject(new LocalSocketError()));
  const socket = openRequestStream(client, streams, { host: options.host ?? "localhost", port: Number(options.port) });
  if (options.timeout !== undefined) socket.setTimeout(options.timeout);
  return socket;
};

/** A request was to go to a socket of this computer, which is nothing that Tor leads to. */
class LocalSocketError extends Error {
  override readonly name = "LocalSocketError";
  readonly code = "ERR_INVALID_ARG_VALUE";

  constructor() {
    super("a request through Tor cannot have a socketPath");
  }
}

/** Closes an idle connection on which something comes: it would be taken for the answer to the next request. */
function onIdleData(this: Duplex): void {
  this.destroy();
}

/**
 * A connection has nothing to do for now.
 *
 * @param decide whether the platform would keep it; it goes by the server's hint as far as the agent has a timeout, so it gets one
 */
const keepIdle = (options: http.AgentOptions, decide: () => boolean, socket: Duplex): boolean => {
  const { timeout } = options;
  options.timeout = timeout ?? KEEP_ALIVE_MILLIS;
  const kept = decide();
  if (timeout === undefined) delete options.timeout;
  // The platform does this for its own sockets.
  if (kept && socket instanceof TorSocket) socket.on("data", onIdleData);
  return kept;
};

/** An idle connection gets its next request. */
const leaveIdle = (options: http.AgentOptions, socket: Duplex): void => {
  socket.off("data", onIdleData);
  (socket as TorSocket | TLSSocket).setTimeout(options.timeout ?? 0);
};
