import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { Services } from "./case.ts";

/** Servers for streams to lead to. */
export interface RunningServices extends AsyncDisposable {
  readonly ports: Services;
}

/** Listens; returns what ends it, with all of its connections. */
const listen = async (port: number, serve: (socket: Socket) => void): Promise<() => Promise<void>> => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
    serve(socket);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  };
};

/** Sends for as long as somebody takes it. */
const pour = (socket: Socket): void => {
  const piece = Buffer.alloc(16_384);
  const more = (): void => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on("drain", more);
  socket.resume();
  more();
};

/** Starts all services. */
export const startServices = async (freePort: () => Promise<number>): Promise<RunningServices> => {
  const ports = {
    silent: await freePort(),
    source: await freePort(),
    echo: await freePort(),
    refused: await freePort(),
  };
  const servers = await Promise.all([
    // Not even read: a socket that is not resumed stays as it is.
    listen(ports.silent, (socket) => socket.pause()),
    listen(ports.source, pour),
    listen(ports.echo, (socket) => socket.pipe(socket)),
  ]);
  return {
    ports,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(servers.map((stop) => stop()));
    },
  };
};
