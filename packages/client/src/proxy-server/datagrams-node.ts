import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { type Endpoint, TransportError } from "@allium/channel";
import { Effect, Layer } from "effect";
import { type DatagramPort, Datagrams } from "./datagrams.ts";

const close = (socket: Socket): void => {
  socket.removeAllListeners("message");
  socket.close();
};

/** Datagrams by the platform's sockets. */
export const layerNodeDatagrams: Layer.Layer<Datagrams> = Layer.succeed(
  Datagrams,
  Datagrams.of({
    bind: (endpoint, onMessage) =>
      Effect.acquireRelease(
        Effect.callback<Socket, TransportError>((resume) => {
          const socket = createSocket(isIPv6(endpoint.host) ? "udp6" : "udp4");
          const refused = (cause: NodeJS.ErrnoException): void => {
            socket.close();
            const code = cause.code ?? "UNKNOWN";
            const kind = code === "EADDRINUSE" ? "addressInUse" : "other";
            resume(Effect.fail(new TransportError({ kind, code, endpoint })));
          };
          socket.once("error", refused);
          socket.bind({ address: endpoint.host, port: endpoint.port, exclusive: true }, () => {
            socket.off("error", refused);
            // What goes wrong with one datagram concerns nobody else.
            socket.on("error", () => {});
            socket.on("message", (message, { address, port }) => onMessage(message, { host: address, port }));
            resume(Effect.succeed(socket));
          });
        }),
        (socket) => Effect.sync(() => close(socket)),
      ).pipe(Effect.map(portOf)),
  }),
);

const portOf = (socket: Socket): DatagramPort => {
  const { address, port } = socket.address();
  const endpoint: Endpoint = { host: address, port };
  return { endpoint, send: (message, to) => socket.send(message, to.port, to.host, () => {}) };
};
