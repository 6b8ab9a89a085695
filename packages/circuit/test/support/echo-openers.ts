import { parseIp } from "@allium/cell";
import { type Connection, connectionPair } from "@allium/channel";
import { Effect, Layer } from "effect";
import { refuseStream, StreamOpeners } from "../../src/index.ts";

/** What the exits of a test lead to: each stream gets one end of a pair, `serve` the other; a directory stream echoes. */
export const openersServing = (
  serve: (connection: Connection, target: string) => void,
  lingering: Set<Connection> = new Set(),
): Layer.Layer<StreamOpeners> =>
  Layer.succeed(
    StreamOpeners,
    StreamOpeners.of({
      forCircuit: () => ({
        begin: (request) =>
          Effect.suspend(() => {
            const target = `${request.destination.address}:${request.port}`;
            if (request.port === REFUSED_PORT) return Effect.fail(refuseStream(3));
            const [stream, origin] = connectionPair();
            serve(origin, target);
            return Effect.succeed({
              connection: stream,
              connected: {
                _tag: "CONNECTED" as const,
                resolved: { address: parseIp("10.0.0.1") ?? { family: 4, address: "10.0.0.1" }, ttl: 60 },
              },
            });
          }),
        beginDirectory: Effect.sync(() => {
          const [stream, origin] = connectionPair();
          echo(origin);
          return { connection: stream, connected: { _tag: "CONNECTED" as const, resolved: undefined } };
        }),
        resolve: () => Effect.succeed([{ _tag: "ERROR", transient: false, ttl: 60 }]),
        linger: (connection) => {
          lingering.add(connection);
          connection.onChange(() => {
            if (connection.status !== "closed" && connection.pending > 0) return;
            lingering.delete(connection);
            connection.destroy();
          });
          connection.end();
        },
      }),
    }),
  );

/** A port at which every exit of a test is refused. */
export const REFUSED_PORT = 1;

/** Sends back whatever comes. */
export const echo = (connection: Connection): void => {
  connection.onChange(() => {
    for (let bytes = connection.read(); bytes !== undefined; bytes = connection.read()) connection.write(bytes);
    if (connection.status === "ended") connection.end();
  });
};
