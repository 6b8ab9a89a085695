import { promisify } from "node:util";
import { deflate } from "node:zlib";
import { EndReason } from "@allium/cell";
import { type Connection, connectionPair } from "@allium/channel";
import { type OpenedStream, refuseStream, type StreamRefusal } from "@allium/circuit";
import { Signal } from "@allium/kernel";
import { Cause, Clock, Context, Effect, FiberSet, Layer } from "effect";
import { HttpError } from "../http/head.ts";
import { type HttpRequest, RequestReader } from "../http/request.ts";
import { DirectoryReactor } from "../reactor.ts";
import { type ServerTiming, serverTiming } from "../timing.ts";
import { DirectoryView } from "../view.ts";
import { type Answer, answerTo, badRequest } from "./answer.ts";

/** How the directory server behaves. */
export interface DirectoryServerConfig {
  /** Streams served at a time; one more is refused with RESOURCELIMIT. @default 1000 */
  readonly maxStreams?: number;
  /** The most that a request may have, in bytes. tor asks for up to 500 microdescriptors at a time. @default 50000 */
  readonly requestBytes?: number;
  /** Other times than `serverTiming`. */
  readonly timing?: Partial<ServerTiming>;
}

/** Who asks. */
export interface DirectoryClient {
  /** Where the circuit came from, to be told to the client (dir-spec 6.1, `X-Your-Address-Is`). */
  readonly address?: string;
}

/**
 * Answers BEGIN_DIR streams with what the `DirectoryView` holds and with the relay's own documents, over a connection within
 * the process.
 */
export class DirectoryServer extends Context.Service<
  DirectoryServer,
  {
    /** Opens a stream to the server: what `StreamOpener.beginDirectory` answers with. */
    readonly open: (client?: DirectoryClient) => Effect.Effect<OpenedStream, StreamRefusal>;
    /** Streams that are being served. */
    readonly active: () => number;
  }
>()("allium/directory/DirectoryServer") {}

const deflateAsync = promisify(deflate);

/** The answer goes out in pieces of this size, each when the one before it has been taken. */
const PIECE_BYTES = 32 * 1024;

const make = Effect.fnUntraced(function* (config: DirectoryServerConfig) {
  const view = yield* DirectoryView;
  const reactor = yield* DirectoryReactor;
  const streams = yield* FiberSet.make<void>();
  const maxStreams = config.maxStreams ?? 1000;
  const requestBytes = config.requestBytes ?? 50_000;
  const { requestTimeout, stallTimeout }: ServerTiming = { ...serverTiming, ...config.timing };
  let active = 0;
  /** The consensus that was packed last: everybody asks for the same one. */
  let shared: { readonly text: Buffer; readonly packed: Promise<Buffer> } | undefined;

  const pack = (answer: Answer): Effect.Effect<ReadonlyArray<Buffer>> => {
    if (!answer.deflate || answer.body.length === 0) return Effect.succeed(answer.body);
    const [text] = answer.body;
    if (answer.shared && text !== undefined) {
      if (shared?.text !== text) shared = { text, packed: deflateAsync(text) };
      const { packed } = shared;
      return Effect.promise(async () => [await packed]);
    }
    return Effect.promise(async () => [await deflateAsync(Buffer.concat(answer.body))]);
  };

  const readRequest = (connection: Connection, changed: Signal): Effect.Effect<HttpRequest | undefined, HttpError> => {
    const reader = new RequestReader(requestBytes);
    const step = Effect.try({
      try: () => {
        for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) {
          const request = reader.push(bytes);
          if (request !== undefined) return request;
        }
        return undefined;
      },
      catch: (cause) => {
        if (cause instanceof HttpError) return cause;
        throw cause;
      },
    });
    return Effect.gen(function* () {
      for (;;) {
        const request = yield* step;
        if (request !== undefined || connection.status !== "open") return request;
        yield* changed.wait;
      }
    });
  };

  /** Waits until no more than `bytes` are waiting to be taken; false if nobody takes them. */
  const drain = (connection: Connection, changed: Signal, bytes: number): Effect.Effect<boolean> =>
    Effect.gen(function* () {
      while (connection.pending > bytes) {
        if (connection.status === "closed") return false;
        const woken = yield* Effect.timeoutOption(changed.wait, stallTimeout);
        if (woken._tag === "None") return false;
      }
      return connection.status !== "closed";
    });

  const send = (
    connection: Connection,
    changed: Signal,
    head: Buffer,
    body: ReadonlyArray<Buffer>,
  ): Effect.Effect<boolean> =>
    Effect.gen(function* () {
      connection.write(head);
      for (const part of body) {
        for (let at = 0; at < part.length; at += PIECE_BYTES) {
          if (!(yield* drain(connection, changed, PIECE_BYTES))) return false;
          connection.write(part.subarray(at, at + PIECE_BYTES));
        }
      }
      connection.end();
      return yield* drain(connection, changed, 0);
    });

  const serve = (connection: Connection, client: DirectoryClient): Effect.Effect<void> => {
    const changed = Signal.make();
    connection.onChange(changed.notify);
    return Effect.gen(function* () {
      const read = yield* readRequest(connection, changed).pipe(
        Effect.timeoutOption(requestTimeout),
        Effect.matchEffect({
          onSuccess: (read) => Effect.succeed(read),
          onFailure: (error) =>
            Effect.as(Effect.logDebug(`directory request refused: ${error.message}`), "malformed" as const),
        }),
      );
      // Nothing came, or not all of it: there is nobody to answer to.
      if (read !== "malformed" && (read._tag === "None" || read.value === undefined)) return connection.destroy();
      const now = yield* Clock.currentTimeMillis;
      const served = { snapshot: view.current(), own: reactor.publication()?.documents };
      const answer = read === "malformed" ? badRequest : answerTo(read.value as HttpRequest, served, now);
      const body = yield* pack(answer);
      const sent = yield* send(connection, changed, formatHead(answer, body, client, now), body);
      if (!sent) connection.destroy();
    });
  };

  return DirectoryServer.of({
    open: (client = {}) =>
      Effect.suspend(() => {
        if (active >= maxStreams) return Effect.fail(refuseStream(EndReason.RESOURCELIMIT));
        active++;
        const [near, far] = connectionPair();
        const served = serve(near, client).pipe(
          Effect.onError((cause) => {
            near.destroy();
            return Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("directory server", cause);
          }),
          Effect.ensuring(Effect.sync(() => active--)),
        );
        return Effect.as(FiberSet.run(streams, served), {
          connection: far,
          connected: { _tag: "CONNECTED", resolved: undefined },
        } satisfies OpenedStream);
      }),
    active: () => active,
  });
});

/** The head of an answer (dir-spec 6.1). */
const formatHead = (answer: Answer, body: ReadonlyArray<Buffer>, client: DirectoryClient, now: number): Buffer => {
  const lines = [`HTTP/1.0 ${answer.status} ${answer.reason}`, `Date: ${new Date(now).toUTCString()}`];
  if (client.address !== undefined) lines.push(`X-Your-Address-Is: ${client.address}`);
  if (body.length > 0) {
    const length = body.reduce((sum, part) => sum + part.length, 0);
    lines.push("Content-Type: text/plain", `Content-Encoding: ${answer.deflate ? "deflate" : "identity"}`);
    lines.push(`Content-Length: ${length}`);
  }
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
};

/** The directory server of a relay; its streams end with the layer. */
export const layer = (
  config: DirectoryServerConfig = {},
): Layer.Layer<DirectoryServer, never, DirectoryReactor | DirectoryView> => Layer.effect(DirectoryServer, make(config));
