import { EndReason } from "@allium/cell";
import { type Connection, connectionPair } from "@allium/channel";
import { type OpenedStream, refuseStream, type StreamRefusal } from "@allium/circuit";
import { Signal } from "@allium/kernel";
import { Cause, Clock, Context, Effect, FiberSet, Layer } from "effect";
import { shorten } from "../http/head.ts";
import { readRequest } from "../http/read-request.ts";
import { DirectoryMirror } from "../mirror/mirror.ts";
import { DirectoryReactor } from "../reactor.ts";
import { type ServerTiming, serverTiming } from "../timing.ts";
import { DirectoryView } from "../view.ts";
import { answerTo } from "./answer.ts";
import { Bodies, type Prepared } from "./bodies.ts";
import { MAX_REQUEST_BYTES, MAX_STREAMS, PIECE_BYTES } from "./limits.ts";
import { badRequest } from "./model.ts";
import { OwnReader } from "./own.ts";

/** How the directory server behaves. */
export interface DirectoryServerConfig {
  /** Streams served at a time; one more is refused with RESOURCELIMIT. @default MAX_STREAMS */
  readonly maxStreams?: number;
  /** The most that a request may have, in bytes. @default MAX_REQUEST_BYTES */
  readonly requestBytes?: number;
  /** Bodies packed for single requests and not sent yet, in bytes; a further one is 503. @default MAX_BODY_BYTES */
  readonly bodyBytes?: number;
  /** Other times than `serverTiming`. */
  readonly timing?: Partial<ServerTiming>;
}

/** Who asks. */
export interface DirectoryClient {
  /** Where the circuit came from, to be told to the client (dir-spec 6.1, `X-Your-Address-Is`). */
  readonly address?: string;
}

/** What the server has done since its start. */
export interface DirectoryServerCounts {
  /** Answers by status. */
  readonly answers: ReadonlyMap<number, number>;
  /** Diffs among them. */
  readonly diffs: number;
  /** Bytes of bodies. */
  readonly bytes: number;
}

/**
 * Answers BEGIN_DIR streams as a directory cache, with what the `DirectoryView` and the `DirectoryMirror` hold and with the
 * relay's own documents, over a connection within the process.
 */
export class DirectoryServer extends Context.Service<
  DirectoryServer,
  {
    /** Opens a stream to the server: what `StreamOpener.beginDirectory` answers with. */
    readonly open: (client?: DirectoryClient) => Effect.Effect<OpenedStream, StreamRefusal>;
    /** Streams that are being served. */
    readonly active: () => number;
    /** Bytes of bodies that were packed for one request each and have not left. */
    readonly heldBytes: () => number;
    readonly counts: () => DirectoryServerCounts;
  }
>()("allium/directory/DirectoryServer") {}

const make = Effect.fnUntraced(function* (config: DirectoryServerConfig) {
  const view = yield* DirectoryView;
  const reactor = yield* DirectoryReactor;
  const streams = yield* FiberSet.make<void>();
  const mirror = yield* DirectoryMirror;
  const maxStreams = config.maxStreams ?? MAX_STREAMS;
  const requestBytes = config.requestBytes ?? MAX_REQUEST_BYTES;
  const { requestTimeout, stallTimeout }: ServerTiming = { ...serverTiming, ...config.timing };
  const bodies = new Bodies(config.bodyBytes);
  const own = new OwnReader();
  const answers = new Map<number, number>();
  let diffs = 0;
  let bytes = 0;
  let active = 0;

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
    connection.onChange(() => changed.notify());
    return Effect.gen(function* () {
      const read = yield* readRequest(connection, changed, requestBytes).pipe(
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
      const served = {
        snapshot: view.current(),
        consensus: mirror.consensus,
        descriptors: mirror.descriptors,
        own: own.read(reactor.publication()?.documents),
      };
      const request = read === "malformed" ? undefined : read.value;
      const answer = request === undefined ? badRequest : answerTo(request, served, now);
      yield* Effect.acquireUseRelease(
        bodies.prepare(answer),
        (prepared) =>
          Effect.gen(function* () {
            const length = prepared.body.reduce((sum, part) => sum + part.length, 0);
            answers.set(prepared.status, (answers.get(prepared.status) ?? 0) + 1);
            if (prepared.isDiff) diffs++;
            bytes += length;
            const { status, encoding, isDiff } = prepared;
            const what = request === undefined ? "no request" : `${request.method} ${shorten(request.target)}`;
            yield* Effect.logDebug(
              `directory: ${what}: ${status}, ${length} bytes, ${encoding}${isDiff ? ", a diff" : ""}`,
            );
            const sent = yield* send(connection, changed, formatHead(prepared, length, client, now), prepared.body);
            if (!sent) connection.destroy();
          }),
        ({ release }) => Effect.sync(release),
      );
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
    heldBytes: () => bodies.bytes,
    counts: () => ({ answers: new Map(answers), diffs, bytes }),
  });
});

/** The head of an answer (dir-spec 6.1), with the fields that `tor`'s have. */
const formatHead = (prepared: Prepared, length: number, client: DirectoryClient, now: number): Buffer => {
  const { status, reason, encoding, lifetime, varies } = prepared;
  const lines = [`HTTP/1.0 ${status} ${reason}`, `Date: ${new Date(now).toUTCString()}`];
  if (status === 200) {
    lines.push("Content-Type: text/plain");
    if (client.address !== undefined) lines.push(`X-Your-Address-Is: ${client.address}`);
    lines.push(`Content-Encoding: ${encoding}`, `Content-Length: ${length}`);
    lines.push(lifetime > 0 ? `Expires: ${new Date(now + lifetime * 1000).toUTCString()}` : "Pragma: no-cache");
    if (varies) lines.push("Vary: X-Or-Diff-From-Consensus");
  }
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
};

/** The directory server of a relay; its streams end with the layer. */
export const layer = (
  config: DirectoryServerConfig = {},
): Layer.Layer<DirectoryServer, never, DirectoryReactor | DirectoryView | DirectoryMirror> =>
  Layer.effect(DirectoryServer, make(config));
