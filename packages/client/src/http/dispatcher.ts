import { createRequire } from "node:module";
import type { Socket } from "node:net";
import type { Agent, buildConnector, Dispatcher } from "undici";
import type { StreamOpener, TorSocket } from "../sockets/index.ts";
import { openRequestStream, type RequestStreams } from "./streams.ts";
import { DISPATCHER_TLS_TIMEOUT_MILLIS, KEEP_ALIVE_MILLIS } from "./timeouts.ts";

/** How a dispatcher is made. */
export interface TorDispatcherOptions extends RequestStreams {
  /** What undici's `Agent` can be told: `connections`, `pipelining`, `headersTimeout`, … */
  readonly agent?: Omit<Agent.Options, "connect" | "allowH2" | "factory">;
  /** What `tls.connect` can be told: `ca`, `rejectUnauthorized`, … */
  readonly tls?: buildConnector.BuildOptions;
}

/** What the platform's own `fetch` takes: it has an undici within, whose types may be older. */
type PlatformDispatcher = RequestInit extends { readonly dispatcher?: infer D } ? NonNullable<D> : unknown;

/** A dispatcher for undici, and for the platform. */
export type TorDispatcher = Dispatcher & PlatformDispatcher;

/** Loaded by whoever makes a dispatcher: it takes as long to load as the rest of the client. */
const undici = (): typeof import("undici") => createRequire(import.meta.url)("undici");

/**
 * A dispatcher for the platform's `fetch` and `WebSocket`, and for undici: `fetch(url, { dispatcher })`. It speaks HTTP/1.1, and names are
 * resolved by the exit.
 *
 * A stream that is not to be had is a `TypeError` of `fetch`, whose cause is a `StreamOpenError`, with a `code`. A `fetch` that is
 * aborted while its stream is being opened rejects at once; the stream is there for the next one then, or is closed unused.
 * `destroy` gives up what is being opened, too.
 */
export const createDispatcher = (client: StreamOpener, options: TorDispatcherOptions = {}): TorDispatcher => {
  const { Agent, buildConnector } = undici();
  const { agent, tls, ...streams } = options;
  const opening = new Set<TorSocket>();
  const secure = buildConnector({ timeout: DISPATCHER_TLS_TIMEOUT_MILLIS, ...tls, allowH2: false });

  const connect: buildConnector.connector = (target, callback) => {
    const isSecure = target.protocol === "https:";
    const port = Number(target.port) || (isSecure ? 443 : 80);
    const socket = openRequestStream(client, streams, { host: target.hostname, port });
    opening.add(socket);
    const failed = (error?: Error) => {
      if (opening.delete(socket)) callback(error ?? new Error("the dispatcher was destroyed"), null);
    };
    // It stays: nobody may listen to what fails between two who use it.
    socket.on("error", failed);
    socket.once("close", () => failed());
    socket.once("connect", () => {
      opening.delete(socket);
      // It has all that undici asks a socket for.
      const httpSocket = socket as unknown as Socket;
      if (isSecure) secure({ ...target, httpSocket }, callback);
      else callback(null, httpSocket);
    });
  };

  class StreamDispatcher extends Agent {
    override destroy(...whatever: []): Promise<void> {
      for (const socket of opening) socket.destroy();
      return super.destroy(...whatever);
    }
  }

  const dispatcher = new StreamDispatcher({ keepAliveTimeout: KEEP_ALIVE_MILLIS, ...agent, allowH2: false, connect });
  return dispatcher as Dispatcher as TorDispatcher;
};
