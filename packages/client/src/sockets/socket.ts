import type { Connection } from "@allium/channel";
import * as NodeSocket from "@effect/platform-node/NodeSocket";
import { Clock, Effect, Exit, type Scope } from "effect";
import { Socket } from "effect/socket";
import type { ConnectError } from "../errors.ts";
import { replyTo, Socks5Reply } from "../proxy/index.ts";
import { StreamBrokenError } from "./errors.ts";
import { SOCKET_LINGER_MILLIS } from "./timeouts.ts";
import { TorSocket } from "./tor-socket.ts";

/**
 * A socket of Effect's over a stream that `open` opens.
 *
 * - Whoever acquires the reader opens the stream; each acquisition opens another. Interrupting gives it up.
 * - Whoever writes before waits for it.
 * - Every end is a `SocketError`: `SocketOpenError`, whose cause is the `ConnectError`; `SocketCloseError` with 1000 where the stream
 *   ended; `SocketReadError` where it broke, behind the last byte that came.
 * - Releasing the writer says that no more comes. What the other side still sends is received: see {@link TorSocket}.
 * - Releasing the reader closes the stream, once what was written has left, but not later than {@link SOCKET_LINGER_MILLIS}; at once if
 *   what used it has failed.
 * - `upgrade` speaks TLS over it: `servername` is what the certificate is checked against.
 */
export const makeSocket = (open: Effect.Effect<Connection, ConnectError>): Socket.Socket => {
  let current: TorSocket | undefined;
  const dial = Effect.tap(acquire(open), (socket) =>
    Effect.sync(() => {
      current = socket;
    }),
  );
  const { reader, writer } = Effect.runSync(NodeSocket.fromDuplex(dial, { chunkSize: CHUNKS_PER_PULL }));
  /** What is written to a stream of the platform that is gone already would wait for ever. */
  const unlessGone = <A>(write: Effect.Effect<A, Socket.SocketError>): Effect.Effect<A, Socket.SocketError> =>
    Effect.suspend(() =>
      current?.destroyed === true
        ? Effect.fail(new Socket.SocketError({ reason: new Socket.SocketWriteError({ cause: errorOf(current) }) }))
        : write,
    );
  return Socket.make({
    reader,
    writer: Effect.map(writer, ({ write, writeAll }) => ({
      write: (chunk) => unlessGone(write(chunk)),
      writeAll: (chunks) => unlessGone(writeAll(chunks)),
    })),
  });
};

const errorOf = (socket: TorSocket): Error => socket.errored ?? new StreamBrokenError(undefined);

const acquire = (
  open: Effect.Effect<Connection, ConnectError>,
): Effect.Effect<TorSocket, Socket.SocketError, Scope.Scope> =>
  Effect.acquireRelease(
    open.pipe(
      Effect.mapError(openError),
      Effect.zip(Clock.Clock),
      Effect.map(([connection, clock]) => {
        const socket = new TorSocket(connection, { clock });
        // One that breaks while it is being closed concerns nobody any more.
        socket.on("error", () => {});
        return socket;
      }),
    ),
    (socket, exit) => (Exit.isSuccess(exit) ? linger(socket) : Effect.sync(() => socket.destroy())),
    { interruptible: true },
  );

const openError = (cause: ConnectError): Socket.SocketError => {
  const kind = replyTo(cause.failure).socks5 === Socks5Reply.TTL_EXPIRED ? "Timeout" : "Unknown";
  return new Socket.SocketError({ reason: new Socket.SocketOpenError({ kind, cause }) });
};

/** Lets what was written leave, then closes. Nobody waits for it. */
const linger = (socket: TorSocket): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const done = () => resume(Effect.void);
    if (socket.writableFinished || socket.closed) return done();
    socket.once("finish", done).once("close", done);
    // Listened to like this it has TLS on it, which has more to send before the end, and ends it itself.
    const isSecure = socket.listenerCount("data") > 0;
    if (!isSecure) socket.end();
  }).pipe(
    Effect.timeoutOption(SOCKET_LINGER_MILLIS),
    Effect.andThen(Effect.sync(() => socket.destroy())),
    Effect.forkDetach,
    Effect.asVoid,
  );

/** Most chunks that one pull takes. */
const CHUNKS_PER_PULL = 64;
